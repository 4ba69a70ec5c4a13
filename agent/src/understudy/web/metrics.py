"""The metrics of this server, made from what its processes answer. Pure.

What a process does not tell (an older release, say) is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from understudy.events.incident import Kind
from understudy.recorder.volume import State
from understudy.site.plan import Plan
from understudy.web.exposition import Family, Sample, encode
from understudy.web.metric_table import BY_NAME, METRICS

_LOGICAL_STATES = ("SERVING", "TAKEN_OVER", "HANDING_BACK", "HANDING_OVER", "DOWN")
_CAMERA_MODES = ("recording", "pre-roll", "off")

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """What the processes of this server answered; None: no answer."""

    release: str
    status: Document | None = None
    progress: Document | None = None
    alarms: Sequence[Document] | None = None
    #: logical server at home here -> `segments` and `bytes` that other servers hold of it
    copies: Mapping[str, Document] = field(default_factory=dict)


class _Samples:
    """Collects samples; a metric or a label that is not in the table is our mistake."""

    def __init__(self) -> None:
        self._found: dict[str, list[Sample]] = {metric.name: [] for metric in METRICS}

    def add(self, name: str, value: float | None, /, **labels: str | int) -> None:
        """One sample; None is left out."""
        assert tuple(labels) == BY_NAME[name].labels, f"{name}: {tuple(labels)}"
        if value is not None:
            self._found[name].append(Sample({label: str(text) for label, text in labels.items()}, float(value)))

    def one_of(self, name: str, label: str, states: Iterable[str], now: str, /, **labels: str | int) -> None:
        """1 for the state that is, 0 for the others."""
        for state in states:
            self.add(name, state == now, **labels, **{label: state})

    def text(self) -> str:
        """The whole answer."""
        return encode(Family(m.name, m.kind, m.help, tuple(self._found[m.name])) for m in METRICS)


def render(plan: Plan, told: Told) -> str:
    """The answer of `GET /metrics`."""
    samples = _Samples()
    samples.add("understudy_build_info", 1, site=plan.site, node=plan.node, release=told.release)
    answers = {"agent": told.status, "recorder": told.progress, "events": told.alarms}
    for process, answer in answers.items():
        samples.add("understudy_process_up", answer is not None, process=process)
    if told.status is not None:
        _site(samples, told.status)
    if told.progress is not None:
        _recorder(samples, plan, told.progress)
    for logical, waiting in told.copies.items():
        samples.add("understudy_copy_backlog_bytes", waiting["bytes"], logical=logical)
        samples.add("understudy_copy_backlog_segments", waiting["segments"], logical=logical)
    if told.alarms is not None:
        _alarms(samples, told.alarms)
    return samples.text()


def _site(samples: _Samples, status: Document) -> None:
    samples.add("understudy_protected", status["protection"]["state"] == "PROTECTED")
    register = status.get("register")
    if register is not None:
        samples.add("understudy_register_answer_age_seconds", register["age_s"])
        samples.add("understudy_register_trouble", bool(register["trouble"]))
    for server in status["servers"]:
        name = server["name"]
        samples.add("understudy_server_reachable", server["reachable"], server=name, kind=server["kind"])
        samples.add("understudy_server_heartbeat_age_seconds", server["age_s"], server=name)
        samples.add("understudy_server_rank", server["rank"], server=name)
        samples.add("understudy_server_state", 1, server=name, state=server["state"])
    for part in status["logical"]:
        name, carrier = part["name"], part["carrier"]
        if carrier is not None:
            samples.add("understudy_logical_carrier", 1, logical=name, home=part["home"], server=carrier)
        samples.one_of("understudy_logical_state", "state", _LOGICAL_STATES, part["state"], logical=name)
        samples.add("understudy_logical_epoch", part.get("epoch"), logical=name)


def _recorder(samples: _Samples, plan: Plan, progress: Document) -> None:
    wanted_s = {(part.name, camera.number): camera.preroll_s for part in plan.logical for camera in part.cameras}
    for logical, part in sorted(progress["parts"].items()):
        if part["mode"] == "off":
            continue
        for camera in part["cameras"]:
            _camera(samples, logical, camera, wanted_s.get((logical, camera["number"])))
    for letter, disk in sorted(progress["disks"].items()):
        samples.one_of("understudy_disk_state", "state", get_args(State), disk["state"], disk=letter)
        samples.add("understudy_disk_free_bytes", disk["free_bytes"], disk=letter)
        samples.add("understudy_disk_size_bytes", disk["total_bytes"], disk=letter)
    samples.add("understudy_clock_believed", not progress.get("clock"))


def _camera(samples: _Samples, logical: str, camera: Document, wanted_s: float | None) -> None:
    number, mode = camera["number"], camera["mode"]
    named = {"logical": logical, "camera": number}
    samples.add("understudy_camera_info", 1, **named, name=camera["name"], engine=camera["engine"])
    samples.one_of("understudy_camera_mode", "mode", _CAMERA_MODES, mode, **named)
    samples.add("understudy_camera_frames_total", camera["frames"], **named)
    samples.add("understudy_camera_last_frame_age_seconds", camera["last_frame_age_s"], **named)
    samples.add("understudy_camera_error", bool(camera["error"]), **named)
    if mode == "pre-roll":
        samples.add("understudy_camera_preroll_seconds", camera["ring_s"], **named)
        samples.add("understudy_camera_preroll_target_seconds", wanted_s, **named)


def _alarms(samples: _Samples, alarms: Sequence[Document]) -> None:
    lasting = [alarm["kind"] for alarm in alarms if alarm["state"] == "open"]
    for kind in get_args(Kind):
        samples.add("understudy_alarms_open", lasting.count(kind), kind=kind)
    samples.add("understudy_alarms_unacknowledged", sum(not alarm["acknowledged"] for alarm in alarms))
    gaps: dict[str, float] = {}
    for alarm in alarms:  # oldest first: the newest stays
        gaps |= alarm["gaps"] or {}
    for label, length_s in sorted(gaps.items()):
        logical, _, number = label.rpartition("/")
        samples.add("understudy_incident_gap_seconds", length_s, logical=logical, camera=number)

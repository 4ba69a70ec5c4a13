"""Every metric of `GET /metrics`: its name, kind, labels and meaning. What is not in the table is not served.

Names and labels are an interface: a metric is added, never renamed, and never gets another meaning.
`python -m understudy.web.metric_table` prints docs/reference/metrics.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from understudy.web.exposition import Kind


@dataclass(frozen=True)
class Metric:
    """One row; `help` is one sentence."""

    name: str
    labels: tuple[str, ...]
    help: str
    kind: Kind = "gauge"


_CAMERA = ("logical", "camera")

METRICS = (
    Metric(
        "understudy_build_info",
        ("site", "node", "release"),
        "Always 1: which server of which site answers, and which release it runs.",
    ),
    Metric(
        "understudy_process_up",
        ("process",),
        "1 when this process of the server (agent, recorder, events) answers the web part, else 0.",
    ),
    Metric(
        "understudy_protected",
        (),
        "1 when the next failure of a server would be caught, else 0, as this server sees the site.",
    ),
    Metric(
        "understudy_register_answer_age_seconds",
        (),
        "Time since the arbitration register last answered this server; absent when it never did.",
    ),
    Metric(
        "understudy_register_trouble",
        (),
        "1 when the register's quorum is at risk or lost, or its content is not believed, else 0.",
    ),
    Metric(
        "understudy_server_reachable",
        ("server", "kind"),
        "1 when this server hears the other one on any network, else 0; a witness, where no agent runs, is not heard.",
    ),
    Metric(
        "understudy_server_heartbeat_age_seconds",
        ("server",),
        "Time since the newest heartbeat of the server; 0 for this server, absent when it was never heard.",
    ),
    Metric(
        "understudy_server_rank",
        ("server",),
        "Place among the standbys that can take over now, 0 first; absent for those that cannot.",
    ),
    Metric(
        "understudy_server_state", ("server", "state"), "Always 1: the state of the server, as in `understudy status`."
    ),
    Metric(
        "understudy_logical_carrier",
        ("logical", "home", "server"),
        "Always 1: which server carries the logical server; absent when nobody does.",
    ),
    Metric(
        "understudy_logical_state",
        ("logical", "state"),
        (
            "1 for the state the logical server is in, 0 for the others: SERVING (at home), TAKEN_OVER, "
            "HANDING_BACK, HANDING_OVER, DOWN."
        ),
    ),
    Metric(
        "understudy_logical_epoch",
        ("logical",),
        ("Epoch of the logical server's owner as last read from the register: it grows with every change of carrier."),
    ),
    Metric(
        "understudy_camera_info",
        (*_CAMERA, "name", "engine"),
        "Always 1: name of a camera that this server records or pre-rolls, and what reads it.",
    ),
    Metric(
        "understudy_camera_mode",
        (*_CAMERA, "mode"),
        "1 for what this server does with the camera, 0 for the others: recording, pre-roll, off.",
    ),
    Metric(
        "understudy_camera_frames_total",
        _CAMERA,
        ("Video frames written (recording) or taken into the pre-roll since this recorder began with the camera."),
        "counter",
    ),
    Metric(
        "understudy_camera_last_frame_age_seconds",
        _CAMERA,
        "Time since the newest frame of the camera; absent while there is none.",
    ),
    Metric(
        "understudy_camera_error",
        _CAMERA,
        "1 when something is wrong with the camera here (`understudy status` says what), else 0.",
    ),
    Metric(
        "understudy_camera_preroll_seconds",
        _CAMERA,
        "Length of the pre-roll held of a camera that this server does not record.",
    ),
    Metric(
        "understudy_camera_preroll_target_seconds",
        _CAMERA,
        "Length the pre-roll of such a camera shall have, from the site file.",
    ),
    Metric(
        "understudy_disk_state",
        ("disk", "state"),
        "1 for the state of the disk letter, 0 for the others: ok, missing, full, read-only, error, hung.",
    ),
    Metric("understudy_disk_free_bytes", ("disk",), "Free space of the disk letter as of the recorder's last look."),
    Metric("understudy_disk_size_bytes", ("disk",), "Size of the disk letter."),
    Metric(
        "understudy_clock_believed",
        (),
        "0 when this server's clock jumped and nothing is deleted by age until it is confirmed, else 1.",
    ),
    Metric(
        "understudy_copy_backlog_bytes",
        ("logical",),
        "Footage of a logical server at home here that other servers still hold and that is to come home.",
    ),
    Metric("understudy_copy_backlog_segments", ("logical",), "The same as a number of segments."),
    Metric(
        "understudy_alarms_open",
        ("kind",),
        "Alarms of the site that last, by kind: takeover, handback, failed, unprotected, rule.",
    ),
    Metric("understudy_alarms_unacknowledged", (), "Alarms of the site that nobody has acknowledged, over or not."),
    Metric(
        "understudy_incident_gap_seconds",
        _CAMERA,
        (
            "Seconds of footage missing around the newest takeover or handback of the camera, measured from the "
            "recordings."
        ),
    ),
)
BY_NAME = {metric.name: metric for metric in METRICS}

HEAD = """# Metrics

`GET /metrics` on every server of a site: text exposition format 0.0.4 of Prometheus. Each server tells of itself, and
of the site as **it** sees it: scrape all of them. Whoever asks shows the certificate of a server of the site, or the
cookie of somebody who is logged in ([API](api.md)). Generated by `python -m understudy.web.metric_table`; do not edit.

```yaml
scrape_configs:
  - job_name: understudy
    scheme: https
    tls_config:
      ca_file: /etc/understudy/pki/ca.crt
      cert_file: /etc/understudy/pki/node.crt
      key_file: /etc/understudy/pki/node.key
    static_configs: [{targets: ["198.18.31.11:443", "198.18.31.12:443"]}]
```

The key of a server lets its holder act as that server: leave it where it is, and run the scraper (Prometheus in agent
mode, say) on a server of the site, the witness for instance. Use the physical addresses: those of a logical server
answer from wherever it is carried.

* What cannot be told now is absent, never a made-up value: where a process does not answer, its metrics are absent and
  `understudy_process_up` is 0.
* A scrape asks the processes of this server over their sockets and no other server: 8 ms with 64 cameras and 500
  alarms, and 1 ms more for every 1000 segments that are to come home.
* Names and labels stay as they are; metrics are added. `camera` is the camera's number.
* Alert rules and a Grafana dashboard made from these metrics are in [observability](../observability/README.md).

| metric | type | labels | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The reference page as Markdown."""
    rows = (
        f"| `{m.name}` | {m.kind} | {', '.join(f'`{label}`' for label in m.labels)} | {m.help} |\n" for m in METRICS
    )
    return HEAD + "".join(rows)


if __name__ == "__main__":
    print(page(), end="")

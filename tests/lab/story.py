"""What the lab's stories have in common: waiting for a state people would notice, exporting and auditing footage."""

from __future__ import annotations

import base64
import json
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import audit
from harness.lab import Lab

CAMERAS = {"north": (1, 2, 3, 4), "south": (1, 2, 3)}
HOMES = {"north": "rec1", "south": "rec2"}
FPS = 25
#: S06: seconds a logical address may be away after a crash; the promise of this release
TAKEOVER_LIMIT_S = 6.0


def now() -> float:
    """Wall time in seconds; all lab hosts share this machine's clock."""
    return time.time()


def stamp(wall_s: float) -> str:
    """ISO 8601 in UTC with milliseconds, as the command line takes it."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds")


def server(status: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in status["servers"] if row["name"] == name)


def logical(status: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in status["logical"] if row["name"] == name)


def carrier(lab: Lab, name: str) -> str | None:
    found: str | None = logical(lab.status(), name)["carrier"]
    return found


def trouble(status: dict[str, Any]) -> list[str]:
    """What keeps the site from being as it should be: everybody at home, recording, and the standby armed."""
    out = []
    if status["protection"]["state"] != "PROTECTED":
        out.append(f"protection is {status['protection']}")
    for part in status["logical"]:
        if part["carrier"] != part["home"] or part["state"] != "SERVING":
            out.append(f"{part['name']} is {part['state']} at {part['carrier']}")
        if len(part["cameras"]) != len(CAMERAS[part["name"]]):
            out.append(f"{part['name']} shows {len(part['cameras'])} cameras")
        for camera in part["cameras"]:
            age = camera["last_frame_age_s"]
            if camera["mode"] != "recording" or age is None or age > 2:
                out.append(f"{part['name']}/{camera['number']} is {camera['mode']}, last frame {age} s ago")
    if server(status, "stby1")["state"] != "PRIMARY STANDBY":
        out.append(f"stby1 is {server(status, 'stby1')['state']}")
    return out


def send_home(lab: Lab, part: str, limit_s: float = 90) -> None:
    """Have the part brought home as soon as its home is back: `handback.after_s`, longer after takeovers in a row, is
    not waited for."""

    def home() -> bool:
        there = carrier(lab, part)
        if there not in (None, HOMES[part]):
            lab.host(str(there)).run(["understudy", "handback", part], check=False)
        return there == HOMES[part]

    lab.wait(home, limit_s, f"{part} to go home")


def wait_whole(lab: Lab, limit_s: float = 120) -> None:
    """Wait until the site is whole: everything at home, recording, protected, pre-roll filled."""
    last: list[str] = ["no status yet"]

    def whole() -> bool:
        nonlocal last
        last = trouble(lab.status()) or _ring_trouble(lab)
        return not last

    try:
        lab.wait(whole, limit_s, "the site to be whole")
    except TimeoutError as error:
        raise AssertionError(f"the site is not whole after {limit_s:g} s: {'; '.join(last)}") from error


def progress(lab: Lab, host: str) -> dict[str, Any]:
    """What the recorder of a host reports."""
    ask = "control.call(paths.RECORDER_SOCKET, 'progress')"
    code = f"import json; from understudy import control, paths; print(json.dumps({ask}))"
    found: dict[str, Any] = json.loads(lab.host(host).run(["/opt/understudy/current/bin/python", "-c", code]).stdout)
    return found


def _ring_trouble(lab: Lab) -> list[str]:
    return [
        f"stby1 holds {camera['ring_s']:.0f} s of {part}/{camera['number']}"
        for part, found in progress(lab, "stby1")["parts"].items()
        for camera in found["cameras"]
        if camera["ring_s"] < 12
    ]


def fetch(lab: Lab, host: str, path: str) -> bytes:
    """The bytes of a file on a host."""
    return base64.b64decode(lab.host(host).run(["base64", "-w0", path], timeout=120).stdout)


def export(
    lab: Lab,
    host: str,
    camera: str,
    from_s: float,
    to_s: float,
    counters: tuple[int | None, int | None] = (None, None),
) -> audit.Audit:
    """Export on `host`, fetch the file, prove that it plays, and audit its frames, or those between two counters."""
    target = "/tmp/export-" + camera.replace("/", "-") + ".mp4"
    command = ["understudy", "export", camera, "--from", stamp(from_s), "--to", stamp(to_s), target]
    lab.host(host).run(command, timeout=180)
    data = fetch(lab, host, target)
    lab.host(host).run(["rm", "-f", target])
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "export.mp4"
        path.write_bytes(data)
        frames, errors = audit.decodes(path)
        whole = audit.check([path])
        found = audit.check([path], *counters)
    assert not errors, f"{camera}: the export does not play: {errors[:3]}"
    assert frames == whole.count, f"{camera}: {frames} frames play, {whole.count} are in the file"
    return found


def assert_whole(found: audit.Audit, camera: str, from_s: float, to_s: float) -> None:
    """No frame missing, none twice, none damaged, and the export really covers the time asked for."""
    assert not found.missing, f"{camera}: frames missing: {found.missing}"
    assert not found.duplicates, f"{camera}: frames twice: {found.duplicates}"
    assert not found.damaged, f"{camera}: frames damaged: {found.damaged}"
    expected = (to_s - from_s) * FPS
    assert found.count >= expected - FPS, f"{camera}: {found.count} frames for {to_s - from_s:.1f} s"


def segments_held(lab: Lab, host: str, part: str) -> dict[str, str]:
    """Relative path -> sha256 of every footage file of `part` on the disks of `host`."""
    script = f"cd /srv/footage && find */{part} -name '*.mp4' -type f -exec sha256sum {{}} + 2>/dev/null || true"
    lines = lab.host(host).run(["sh", "-c", script], timeout=120).stdout.splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


@contextmanager
def no_takeover(lab: Lab) -> Iterator[None]:
    """Fail when any logical server moves while the block runs, however briefly: the decision logs say."""
    before = {name: _epoch(lab, name) for name in HOMES}
    yield
    assert {name: _epoch(lab, name) for name in HOMES} == before, "a logical server moved"


def _epoch(lab: Lab, name: str) -> str:
    """The register's owner of `name`: it changes with every move and never goes back."""
    members = ",".join(f"https://198.18.31.{number}:2379" for number in (11, 12, 21))
    pki = "/etc/understudy/pki"
    login = ["--cacert", f"{pki}/ca.crt", "--cert", f"{pki}/node.crt", "--key", f"{pki}/node.key"]
    command = ["etcdctl", "--endpoints", members, *login, "get", "--print-value-only", f"/understudy/lab/owner/{name}"]
    for host in ("stby1", "rec2", "rec1"):
        found = lab.host(host).run(command, check=False)
        if found.returncode == 0 and found.stdout.strip():
            return found.stdout.strip()
    raise AssertionError("no member of the register answers")


def assert_unchanged(run: CompletedProcess[str], hosts: tuple[str, ...]) -> None:
    """The recap of a playbook run says of every one of `hosts`: reached, nothing changed, nothing failed."""
    for host in hosts:
        recap = rf"^{host}\s*: ok=\d+\s+changed=0\s+unreachable=0\s+failed=0"
        assert re.search(recap, run.stdout, re.M), run.stdout[-3000:]

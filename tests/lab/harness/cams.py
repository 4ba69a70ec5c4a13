"""The camera host: simulated cameras, the site's clock and a mail box. No site has such a host, so no role makes it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

from harness.paths import Paths
from harness.podman import podman, send_files
from harness.shell import LabError, say, wait
from harness.topology import CAMERA_HOST, NETWORKS

HOME = "/opt/lab"
MEDIA = "/var/lib/camsim"
DIGEST_FILE = f"{HOME}/digest"
START_LIMIT_S = 30.0
RTSP_PORT = 554

UNIT = """\
[Unit]
Description={description}
After=network.target

[Service]
ExecStart=/usr/bin/python3 {command}
Environment=PYTHONPATH={home} PYTHONUNBUFFERED=1
WorkingDirectory={home}
Restart=always
RestartSec=0.5

[Install]
WantedBy=multi-user.target
"""
CAMSIM_UNIT = UNIT.format(description="Simulated cameras", command="-m camsim", home=HOME)
MAILSINK_UNIT = UNIT.format(
    description="Mail box of the site's administrator", command=f"{HOME}/mailsink.py", home=HOME
)

CHRONY = "\n".join(
    [
        "# The lab's clock is this machine's: served as it is, never touched (chronyd -x).",
        "local stratum 8",
        *(f"allow {subnet}" for network in NETWORKS for subnet in (network.subnet4, network.subnet6)),
        "driftfile /var/lib/chrony/chrony.drift",
        "",
    ]
)


def provision(paths: Paths) -> bool:
    """Bring the camera host to what the checkout says; return whether anything had to be done."""
    _make_media(paths)
    files = _files(paths)
    digest = _digest(files)
    if podman("exec", CAMERA_HOST, "cat", DIGEST_FILE, check=False).stdout.strip() == digest:
        return False
    say("cams: installing the cameras, the clock and the mail box")
    podman("exec", CAMERA_HOST, "rm", "-rf", HOME, MEDIA)
    send_files(CAMERA_HOST, files)
    units = ["camsim.service", "chrony.service"]
    if f"{HOME}/mailsink.py" in files:
        units.append("mailsink.service")
    podman("exec", CAMERA_HOST, "systemctl", "daemon-reload")
    podman("exec", CAMERA_HOST, "systemctl", "enable", "--quiet", *units, check=False)
    podman("exec", CAMERA_HOST, "systemctl", "restart", *units)
    wait(
        lambda: _listens(RTSP_PORT), START_LIMIT_S, f"the cameras to listen on port {RTSP_PORT} (journalctl -u camsim)"
    )
    send_files(CAMERA_HOST, {DIGEST_FILE: digest.encode()})
    return True


def _make_media(paths: Paths) -> None:
    """Encode the cameras' films; those that are there already stay."""
    if not any(paths.media.iterdir()):
        say("encoding the cameras' films (once; half a minute)")
    source = paths.root / "tests" / "lab"
    done = subprocess.run(
        [sys.executable, "-m", "camsim.media", str(paths.media)],
        env={**os.environ, "PYTHONPATH": str(source)},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode != 0:
        raise LabError("the cameras' films could not be encoded: the reason is above")


def _files(paths: Paths) -> dict[str, bytes]:
    """Everything that the camera host gets, by its path there."""
    source = paths.root / "tests" / "lab"
    taken = [*sorted((source / "camsim").rglob("*.py")), *sorted((source / "camsim").rglob("*.json"))]
    mailsink = source / "mailsink.py"
    if mailsink.exists():
        taken.append(mailsink)
    files = {f"{HOME}/{path.relative_to(source)}": path.read_bytes() for path in taken}
    files |= {f"{MEDIA}/{path.name}": path.read_bytes() for path in sorted(paths.media.glob("*.clip"))}
    return files | {
        "/etc/systemd/system/camsim.service": CAMSIM_UNIT.encode(),
        "/etc/systemd/system/mailsink.service": MAILSINK_UNIT.encode(),
        "/etc/chrony/chrony.conf": CHRONY.encode(),
    }


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        digest.update(f"{path}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _listens(port: int) -> bool:
    return f":{port} " in podman("exec", CAMERA_HOST, "ss", "-Hltn").stdout

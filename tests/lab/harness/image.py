"""The host image: a small Debian that boots systemd, built from packages once and kept by the hash of its inputs."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from harness.podman import podman
from harness.shell import run, say
from harness.topology import IMAGE_PACKAGES

REPOSITORY = "localhost/understudy-lab"
SUITE = "bookworm"
BUILD_LIMIT_S = 1800.0
"""155 s on a machine with a mirror nearby; half an hour allows for a slow line."""

HOOK = Path(__file__).with_name("image_hook.sh")
IMPORT_CHANGES = ('CMD ["/sbin/init"]', "STOPSIGNAL=SIGRTMIN+3")
LEFT_OUT = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
)


def image_name() -> str:
    """Name and tag of the image that this checkout wants; the tag changes when anything that goes into it does."""
    digest = hashlib.sha256()
    for part in (SUITE, *IMAGE_PACKAGES, *IMPORT_CHANGES, *LEFT_OUT, HOOK.read_text(encoding="utf-8")):
        digest.update(part.encode() + b"\0")
    return f"{REPOSITORY}:{digest.hexdigest()[:12]}"


def ensure_image() -> str:
    """Build the image when it is missing; return its name. A build that is cut short leaves nothing behind."""
    name = image_name()
    if podman("image", "exists", name, check=False).returncode == 0:
        return name
    say(f"building the host image {name} (once; some minutes)")
    with tempfile.TemporaryDirectory(prefix="understudy-image-", dir="/var/tmp") as directory:
        archive = Path(directory) / "image.tar"
        run(_bootstrap_command(archive), limit_s=BUILD_LIMIT_S, env={**os.environ, "LC_ALL": "C.UTF-8"})
        say(f"importing the host image ({archive.stat().st_size // 2**20} MiB)")
        changes = [word for change in IMPORT_CHANGES for word in ("-c", change)]
        podman("import", *changes, str(archive), name, limit_s=600.0)
    return name


def _bootstrap_command(archive: Path) -> list[str]:
    """The mmdebstrap command that writes the root file system to `archive`."""
    mirror = _mirror()
    return [
        "mmdebstrap",
        "--mode=root",
        "--variant=apt",
        f"--include={','.join(IMAGE_PACKAGES)}",
        '--aptopt=Apt::Install-Recommends "false"',
        *(f"--dpkgopt={line}" for line in LEFT_OUT),
        '--essential-hook=printf "#!/bin/sh\\nexit 101\\n" >"$1/usr/sbin/policy-rc.d"',
        '--essential-hook=chmod 755 "$1/usr/sbin/policy-rc.d"',
        f'--customize-hook=sh "{HOOK}" "$1"',
        SUITE,
        str(archive),
        f"deb {mirror} {SUITE} main",
        f"deb {mirror} {SUITE}-updates main",
    ]


def _mirror() -> str:
    """The Debian mirror this machine uses itself (it may be a company's own), else Debian's."""
    wanted = ("Created-By: Packages", "Origin: Debian", f"Codename: {SUITE}")
    lines = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted], check=False).stdout.split()
    return lines[0].rstrip("/") if lines else "http://deb.debian.org/debian"

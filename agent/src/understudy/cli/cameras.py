"""`understudy cameras discover` and `cameras test`: what an integrator asks before a camera is in the site file.

What is printed is a piece of the site file; what else is worth knowing stands in its comments.
"""

from __future__ import annotations

import argparse
import getpass
import os
import re
import sys

from understudy.cli import CommandError
from understudy.onvif.device import Device, Profile
from understudy.onvif.discovery import discover
from understudy.onvif.soap import OnvifError
from understudy.recorder.ingest.auth import Credentials

#: a clock further off is worth a word
_CLOCK_OFF_S = 2.0


def cameras(options: argparse.Namespace) -> int:
    """Run what was asked."""
    return _discover(options) if options.action == "discover" else _test(options)


def _discover(options: argparse.Namespace) -> int:
    found = discover(options.source)
    if not found:
        raise CommandError("no ONVIF camera answers on this network; from a server with several, use --from ADDRESS")
    for device in found:
        print(f"{device.host}  {device.name or '-'}  {device.address}")
    print("understudy: `understudy cameras test HOST --user NAME` shows the streams of one", file=sys.stderr)
    return 0


def _test(options: argparse.Namespace) -> int:
    if not options.host:
        raise CommandError("which camera? `understudy cameras test HOST --user NAME`")
    credentials = None
    if options.user:
        secret = os.environ.get("UNDERSTUDY_CAMERA_PASSWORD")
        credentials = Credentials(options.user, getpass.getpass("password: ") if secret is None else secret)
    try:
        print("\n".join(fragment(Device(options.host, credentials), options.number)))
    except OnvifError as error:
        raise CommandError(f"{options.host}: {error}") from error
    return 0


def fragment(device: Device, number: int) -> list[str]:
    """The lines of the camera in a site file; its other streams as comments."""
    offset_s = device.clock_offset_s()
    model = device.model()
    profiles = [profile for profile in device.profiles() if profile.encoding]
    if not profiles:
        raise OnvifError("the device has no profile with a picture")
    clock = f"clock {offset_s:+.1f} s" + (" (set its NTP server)" if abs(offset_s) > _CLOCK_OFF_S else "")
    lines = [f"# {_plain(model)}, {clock}", f"- number: {number}", f'  name: "{_plain(model)}"']
    for index, profile in enumerate(profiles):
        lead = "  url: " if index == 0 else "  # or: "
        url = re.sub(r"^(rtsps?://)[^/@]*@", r"\1", device.stream_url(profile))
        lines.append(f"{lead}{url}  # {_shown(profile)}")
    return lines


def _shown(profile: Profile) -> str:
    return f"{_plain(profile.name or profile.token)}, {profile.encoding} {profile.width}x{profile.height}"


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and c not in '"\\')[:60]

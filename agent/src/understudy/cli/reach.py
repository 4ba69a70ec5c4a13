"""What commands work with: the plan of this server, its catalogue and disks, and the other servers."""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from understudy import paths
from understudy.cli import CommandError
from understudy.cli.arguments import CameraName
from understudy.footage.access import Footage
from understudy.footage.catalogue import Catalogue
from understudy.footage.disks import Disks
from understudy.footage.holds import FILE, Hold, HoldBook
from understudy.footage.peers import Peers, node_tls
from understudy.site.plan import Plan, load


def peers_of(plan: Plan) -> Peers:
    """The other servers, asked with this server's certificate."""
    try:
        return Peers(plan, node_tls())
    except (OSError, ssl.SSLError) as error:
        raise CommandError(f"this server's certificate in {paths.PKI} cannot be used: {error}; run as root") from error


@asynccontextmanager
async def site_footage() -> AsyncIterator[tuple[Plan, Footage]]:
    """The plan, and footage of the whole site."""
    plan = load()
    catalogue = Catalogue(paths.CATALOGUE, read_only=True) if paths.CATALOGUE.exists() else None
    async with peers_of(plan) as peers:
        yield plan, Footage(plan, catalogue, Disks(plan.me), peers)


def holds_in_force() -> list[Hold]:
    """Legal holds as this server knows them."""
    return HoldBook(paths.CATALOGUE.with_name(FILE)).active(time.time_ns() // 1000)


def require_camera(plan: Plan, camera: CameraName) -> None:
    """CommandError unless the site has such a camera."""
    for logical in plan.logical:
        if logical.name == camera.logical:
            if camera.number in {known.number for known in logical.cameras}:
                return
            numbers = ", ".join(str(known.number) for known in logical.cameras) or "none"
            raise CommandError(f"{camera.logical} has no camera {camera.number}; it has {numbers}")
    names = ", ".join(logical.name for logical in plan.logical)
    raise CommandError(f"this site has no logical server {camera.logical!r}; it has {names}")


def warn_of_silence(silent: Mapping[str, str], unavailable: int = 0) -> None:
    """Say on standard error whose footage is not in what was printed."""
    for name, reason in sorted(silent.items()):
        print(f"understudy: footage that only {name} holds is not included: {reason}", file=sys.stderr)
    if unavailable:
        print(f"understudy: {unavailable} segments of the span cannot be read now", file=sys.stderr)

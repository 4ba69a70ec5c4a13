"""What is read from the machine itself: links, sensors, memory, days until certificate and licence end. Thin I/O."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from understudy import paths
from understudy.site.plan import Plan

TLS_S = 3.0
_DAY_S = 86400.0


def links(names: Iterable[str], sys_class_net: Path = Path("/sys/class/net")) -> dict[str, str]:
    """For each interface what is wrong with it, "" when it has a link."""
    return {name: _link(sys_class_net / name) for name in names}


def _link(interface: Path) -> str:
    if not interface.exists():
        return "there is no such interface"
    try:
        return "" if (interface / "carrier").read_text().strip() == "1" else "no link"
    except OSError:  # the kernel refuses to tell of an interface that is switched off
        return "switched off"


def temperature_c(root: Path = Path("/sys/class")) -> float | None:
    """The hottest of the machine's sensors; None when it has none."""
    found = []
    for file in (*root.glob("thermal/thermal_zone*/temp"), *root.glob("hwmon/hwmon*/temp*_input")):
        with contextlib.suppress(OSError, ValueError):  # sensors that are there and say nothing are common
            found.append(int(file.read_text()) / 1000)
    return max((value for value in found if value > 0), default=None)


def memory_percent(meminfo: Path = Path("/proc/meminfo")) -> float | None:
    """How much of the memory could be given to a program now."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return 100.0 * int(lines["MemAvailable"].split()[0]) / int(lines["MemTotal"].split()[0])
    return None


def licence_days(plan: Plan, wall_s: float) -> float | None:
    """Days until the licence of this server ends; its last day counts whole. None when it does not end."""
    if plan.me.licence.expires is None:
        return None
    last = datetime.fromisoformat(plan.me.licence.expires).replace(tzinfo=UTC)
    return (last.timestamp() + _DAY_S - wall_s) / _DAY_S


def time_servers(plan: Plan) -> tuple[str, ...]:
    """The site's, or else the first logical server, whose carrier serves time (S42)."""
    if plan.ntp_servers:
        return plan.ntp_servers
    first = plan.logical[0].addresses if plan.logical else ()
    return tuple(address.address.split("/")[0] for address in first[:1])


async def certificate_days(plan: Plan, wall_s: float, ca: Path = paths.CA_CERTIFICATE, port: int = 443) -> float | None:
    """Days until the certificate ends that this server shows to others; None when nothing is served.

    Asked over the network, so that it is the certificate in use and not the file beside it.
    """
    try:
        context = await asyncio.to_thread(lambda: ssl.create_default_context(cafile=ca))
        async with asyncio.timeout(TLS_S):
            _, writer = await asyncio.open_connection(
                plan.me.peer_address, port, ssl=context, server_hostname=plan.node
            )
    except ssl.SSLCertVerificationError as error:
        return 0.0 if "expired" in str(error) else None
    except (OSError, TimeoutError):
        return None
    shown = writer.get_extra_info("peercert")
    writer.close()
    return (ssl.cert_time_to_seconds(shown["notAfter"]) - wall_s) / _DAY_S

"""The look itself: asks the processes over their sockets, systemd, the clock, and reads files. Thin I/O."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import aiohttp

from understudy import control, paths
from understudy.doctor.machine import units_of
from understudy.doctor.seen import Certificate, Seen, Space, Unit
from understudy.events import readings, sntp
from understudy.release import release
from understudy.site.plan import Plan

ANSWER_S = 3.0
SYSTEMCTL_S = 5.0
_DAY_S = 86400.0

Answer = TypeVar("Answer")


async def look(plan: Plan) -> Seen:
    """Everything at once; what does not answer within some seconds is told as silent."""
    wall_s, sockets = time.time(), dict.fromkeys(("agent", "recorder", "events", "web"), "")

    async def ask(name: str, path: Path, op: str) -> control.Document | None:
        try:
            return await control.acall(path, op, timeout_s=ANSWER_S)
        except control.ControlError as error:
            sockets[name] = str(error)
            return None

    async def ask_web() -> None:
        sockets["web"] = await _web_trouble(paths.WEB_SOCKET)

    async with asyncio.TaskGroup() as tasks:
        status = tasks.create_task(ask("agent", paths.AGENT_SOCKET, "status"))
        orders = tasks.create_task(ask("agent", paths.AGENT_SOCKET, "orders"))
        progress = tasks.create_task(ask("recorder", paths.RECORDER_SOCKET, "progress"))
        alarms = tasks.create_task(ask("events", paths.EVENTS_SOCKET, "alarms"))
        known = tasks.create_task(ask("events", paths.EVENTS_SOCKET, "known"))
        units = tasks.create_task(asyncio.to_thread(units_now, units_of(plan.me)))
        offset_s = tasks.create_task(sntp.clock_offset_s(readings.time_servers(plan)))
        served_days = tasks.create_task(readings.certificate_days(plan, wall_s))
        tasks.create_task(ask_web())
    return Seen(
        plan=plan,
        units=units.result(),
        sockets=sockets,
        status=_part(status.result(), lambda answer: answer["status"]),
        orders=orders.result(),
        progress=progress.result(),
        alarms=_part(alarms.result(), lambda answer: answer["alarms"]),
        release=release(),
        running=_part(known.result(), lambda answer: answer["known"]["release"]),
        certificates=certificates_in(paths.PKI, _own_names(plan, orders.result()), wall_s),
        served_days=served_days.result(),
        licence_days=readings.licence_days(plan, wall_s),
        clock_offset_s=offset_s.result(),
        links=readings.links(nic.name for nic in plan.me.nics),
        memory_percent=readings.memory_percent(),
        temperature_c=readings.temperature_c(),
        system_disk=_space(paths.STATE),
    )


def _part(answer: control.Document | None, of: Callable[[control.Document], Answer]) -> Answer | None:
    return None if answer is None else of(answer)


async def _web_trouble(socket: Path) -> str:
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout) as session,
            session.get("http://web/health") as response,
        ):
            return "" if response.status == 200 else f"{socket}: HTTP {response.status}"
    except TimeoutError:
        return f"{socket}: no answer within {ANSWER_S:g} s"
    except (aiohttp.ClientError, OSError) as error:
        return f"{socket}: {getattr(error, 'strerror', None) or error}"


def units_now(names: Sequence[str]) -> dict[str, Unit] | None:
    """The states of units; None when systemd cannot be asked."""
    command = ["systemctl", "show", "--property=ActiveState,UnitFileState", *(f"{name}.service" for name in names)]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=SYSTEMCTL_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return dict(zip(names, read_units(asked.stdout), strict=False))


def read_units(shown: str) -> list[Unit]:
    """What `systemctl show` printed: a block per unit, in the order they were asked for."""
    found = []
    for block in shown.strip().split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        found.append(Unit(fields.get("ActiveState", ""), fields.get("UnitFileState", "")))
    return found


def _own_names(plan: Plan, orders: control.Document | None) -> list[str]:
    """Logical servers whose certificate has to be here; removal from failover deletes them."""
    removed = orders is not None and orders["detached"]
    return [part.name for part in plan.logical if part.home == plan.node and not removed]


def certificates_in(pki: Path, logical: Sequence[str], wall_s: float) -> dict[str, Certificate]:
    """This server's certificate, and those of logical servers: what is here, and what has to be."""
    names = sorted({*logical, *(path.stem for path in (pki / "logical").glob("*.crt"))})
    files = [pki / "node", *(pki / "logical" / name for name in names)]
    return {f"{path.relative_to(pki)}.crt": certificate(path, pki / "ca.crt", wall_s) for path in files}


def certificate(path: Path, ca: Path, wall_s: float) -> Certificate:
    """Look at `path`.crt with its key as a client would that believes `ca`: in a handshake, within memory."""
    try:
        showing = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        showing.load_cert_chain(path.with_name(f"{path.name}.crt"), path.with_name(f"{path.name}.key"))
        looking = ssl.create_default_context(cafile=ca)
        looking.check_hostname = False
        shown = _shake(showing, looking)
    except ssl.SSLCertVerificationError as error:
        return Certificate(None, error.verify_message)
    except ssl.SSLError as error:
        return Certificate(None, f"certificate and key cannot be used together: {error.reason or error}")
    except OSError as error:
        return Certificate(None, str(error.strerror or error))
    return Certificate((ssl.cert_time_to_seconds(shown) - wall_s) / _DAY_S)


def _shake(showing: ssl.SSLContext, looking: ssl.SSLContext) -> str:
    """The end of the certificate that `showing` shows to `looking`; ssl.SSLError when that does not believe it."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, server = looking.wrap_bio(back, there), showing.wrap_bio(there, back, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    found = client.getpeercert()
    assert found is not None, "the handshake has not ended"
    return str(found["notAfter"])


def _space(path: Path) -> Space | None:
    try:
        usage = shutil.disk_usage(path)
    except OSError:
        return None
    return Space(usage.free, usage.total)

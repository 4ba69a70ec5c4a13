"""Checks of the machine: services, sockets, certificates, clock, links, space. Pure: from a `Seen` to findings."""

from __future__ import annotations

from collections.abc import Iterator

from understudy.doctor.finding import Finding, Level
from understudy.doctor.seen import Seen
from understudy.events.causes import LIMITS
from understudy.events.texts import ADVICE
from understudy.site.plan import Server

#: the state of all processes and the logs take some 100 MB; below the second nothing can be saved any more
SYSTEM_WARN_BYTES, SYSTEM_FAIL_BYTES = 1024**3, 128 * 1024**2
_SITE_YML = "Run site.yml for this server."
_PRODUCT = ("understudy-agent", "understudy-recorder", "understudy-web", "understudy-events")
#: who does not cost a frame or an address when it is down
_LESSER = frozenset({"chrony"})


def units_of(server: Server) -> tuple[str, ...]:
    """The units that shall run on a server."""
    voter = ("etcd",) if server.etcd_voter else ()
    return (*_PRODUCT, "nginx", *voter, "chrony")


def plan(seen: Seen) -> Iterator[Finding]:
    """That the plan can be read: without it there would be no look at all."""
    site = seen.plan
    size = f"{len(site.servers)} machines, {len(site.logical)} logical servers"
    yield Finding("ok", "plan", f"{site.node} is a {site.me.kind} of site {site.site}: {size}")


def services(seen: Seen) -> Iterator[Finding]:
    """Every unit runs, and starts with the machine."""
    if seen.units is None:
        yield Finding("warn", "services", "systemd cannot be asked", "Run this command on the server, as root.")
        return
    for name, unit in seen.units.items():
        check = f"service {name}"
        if unit.active == "active" and unit.enabled not in ("", "disabled"):
            yield Finding("ok", check, "runs")
        elif unit.active == "active":
            yield Finding("warn", check, "runs, but does not start with the machine", f"Run `systemctl enable {name}`.")
        else:
            level: Level = "warn" if name in _LESSER else "FAIL"
            advice = f"Read `journalctl -u {name} -n 50`; start it with `systemctl restart {name}`."
            yield Finding(
                level, check, f"is {unit.active or 'unknown to systemd'}", advice if unit.enabled else _SITE_YML
            )


def sockets(seen: Seen) -> Iterator[Finding]:
    """Every process answers."""
    for name, error in seen.sockets.items():
        if error:
            unit = f"understudy-{name}"
            advice = f"Run this command as root. If it does so then, too: `journalctl -u {unit} -n 50`."
            yield Finding("FAIL", f"answer of {name}", error, advice)
        else:
            yield Finding("ok", f"answer of {name}", "answers")


def release(seen: Seen) -> Iterator[Finding]:
    """The services run the release that is installed."""
    if seen.running is None:
        return
    if seen.running == seen.release:
        yield Finding("ok", "release", f"the services run {seen.release}, as installed")
    else:
        text = f"the services run {seen.running}, installed is {seen.release}"
        yield Finding("warn", "release", text, f"{_SITE_YML} It restarts them one after the other.")


def certificates(seen: Seen) -> Iterator[Finding]:
    """Certificates and keys belong together, are the site's, and are valid for long enough; so is what is served."""
    for name, certificate in seen.certificates.items():
        yield _certificate(f"certificate {name}", certificate.days, certificate.error)
    error = "nothing is served on port 443 of this server with a valid certificate of the site"
    yield _certificate("certificate in use", seen.served_days, error)


def _certificate(check: str, days: float | None, error: str) -> Finding:
    if days is None:
        return Finding("FAIL", check, error, ADVICE["certificate"])
    if days <= 0:
        return Finding("FAIL", check, "has expired", ADVICE["certificate"])
    if days < LIMITS["certificate"]:
        return Finding("warn", check, f"is valid for only {days:.0f} more days", ADVICE["certificate"])
    return Finding("ok", check, f"is valid for {days:.0f} more days")


def licence(seen: Seen) -> Iterator[Finding]:
    """The licence, where it ends at all."""
    days = seen.licence_days
    if days is None:
        return
    if days <= 0:
        yield Finding("FAIL", "licence", "has ended", ADVICE["licence"])
    elif days < LIMITS["licence"]:
        yield Finding("warn", "licence", f"ends in {days:.0f} days", ADVICE["licence"])
    else:
        yield Finding("ok", "licence", f"is valid for {days:.0f} more days")


def clock(seen: Seen) -> Iterator[Finding]:
    """The clock goes right, and the recorder believes it."""
    offset_s = seen.clock_offset_s
    if offset_s is None:
        yield Finding("warn", "clock", "no time server answers, so that nobody knows", ADVICE["clock"])
    elif abs(offset_s) >= LIMITS["clock"]:
        yield Finding("FAIL", "clock", f"is off by {offset_s:+.2f} s", ADVICE["clock"])
    else:
        yield Finding("ok", "clock", f"is off by less than {max(abs(offset_s), 0.01):.2f} s")
    doubted = seen.progress.get("clock") if seen.progress is not None else None
    if doubted:
        advice = "Compare it with a watch; if it is right, run `understudy clock confirm`."
        yield Finding("FAIL", "clock of recordings", str(doubted), advice)


def links(seen: Seen) -> Iterator[Finding]:
    """Every interface has a link."""
    for name, error in seen.links.items():
        if error:
            yield Finding("FAIL", f"network {name}", error, ADVICE["nic"])
        else:
            yield Finding("ok", f"network {name}", "has a link")


def resources(seen: Seen) -> Iterator[Finding]:
    """Space on the system disk, memory, temperature."""
    if (disk := seen.system_disk) is not None:
        text = f"{disk.free_bytes / 1024**3:.1f} of {disk.total_bytes / 1024**3:.1f} GiB free"
        level: Level = "warn" if disk.free_bytes < SYSTEM_WARN_BYTES else "ok"
        level = "FAIL" if disk.free_bytes < SYSTEM_FAIL_BYTES else level
        advice = "" if level == "ok" else "Find what fills it: `du -xh -d 2 / | sort -h | tail`."
        yield Finding(level, "system disk", text, advice)
    if seen.memory_percent is not None:
        low = seen.memory_percent < LIMITS["memory"]
        text = f"{seen.memory_percent:.0f} % is available"
        yield Finding("warn" if low else "ok", "memory", text, ADVICE["memory"] if low else "")
    if seen.temperature_c is not None:
        hot = seen.temperature_c >= LIMITS["temperature"]
        text = f"the hottest sensor says {seen.temperature_c:.0f} °C"
        yield Finding("warn" if hot else "ok", "temperature", text, ADVICE["temperature"] if hot else "")


CHECKS = (plan, services, sockets, release, certificates, licence, clock, links, resources)

"""Words for people: what a rule is called, what to do about it, how long something took. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from understudy.site.event_rules import Cause, Rule
from understudy.site.plan import Plan

TAKEOVER_ADVICE = (
    "Find out what is wrong with {home} and repair it. When it is healthy again it takes its part back by itself, "
    "unless the site says otherwise; `understudy explain` tells what is waited for."
)
FAILED_ADVICE = (
    "Repair the fault, run `understudy clear` on this server unless its rule has cleared it, and restart the machine."
)

_DISK = "Look at the disk and its cables (`understudy catalogue check`, `journalctl -u understudy-recorder`)."
ADVICE: dict[Cause, str] = {
    "disk-fault": f"{_DISK} Replace it if it reports errors again.",
    "disk-read-only": f"{_DISK} A file system becomes read-only when it finds itself damaged.",
    "disk-full": "Find what else fills the disk letter; retention keeps its own footage below the floor.",
    "disk-hung": f"{_DISK} A disk that does not answer usually has to be replaced.",
    "disk-pulled": "Put the disk back, or mount it again; recording goes on by itself.",
    "not-recording": "Look at `understudy status` for the reason of each camera.",
    "camera-loss": "The other server sees these cameras: look at this server's network, its switch port and cable.",
    "nic": "Look at the cable, the switch port and the interface.",
    "crash-loop": "Read `journalctl -u understudy-recorder` and report it.",
    "clock": "Look at the time servers (`chronyc sources` on this server).",
    "temperature": "Look at fans, filters and the room.",
    "memory": "Look at what uses the memory (`systemd-cgtop -m`).",
    "script": "Look at what the script reports.",
    "unprotected": "See `understudy status`: bring back what is missing before the next failure.",
    "quorum": "Bring the named server back, or look at etcd there (`journalctl -u etcd`).",
    "standby-busy": "Repair the server whose part is carried, so that the standby is free again.",
    "standby-unfit": "Put right what the reason names; until then this standby takes nothing over.",
    "certificate": "Run site.yml, which renews certificates.",
    "licence": "Renew the licence and enter its new end in the site file.",
    "version": "Run site.yml, so that every server has the same release.",
    "preroll": "Look at the network between this standby and the cameras; a takeover now would miss frames.",
}


def failed_by(rule: str) -> str:
    """How the reason of a FAILED begins that a rule declared; `watch` recognises its own by it."""
    return f"rule {rule}: "


def rule_title(rule: Rule, plan: Plan) -> str:
    """One line: which rule, where."""
    where = plan.site if rule.cause in ("unprotected", "quorum", "standby-busy", "version") else plan.node
    return f"{where}: {'UNPROTECTED' if rule.cause == 'unprotected' else rule.name}"


def span(us: int) -> str:
    """A duration, as coarse as people say it."""
    seconds = max(0, round(us / 1e6))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min {seconds % 60} s"
    hours = seconds // 3600
    return f"{hours} h {seconds % 3600 // 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def local_time(us: int, zone: str) -> str:
    """A time in the site's zone, with the zone; UTC where this machine does not know it."""
    when = datetime.fromtimestamp(us / 1e6, UTC)
    try:
        when = when.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        zone = "UTC"
    return f"{when:%Y-%m-%d %H:%M:%S} {when:%z} ({zone})"

"""Checks of the work: protection, register, heartbeats, disks, cameras, pre-roll, alarms. Pure, as `machine`."""

from __future__ import annotations

from collections.abc import Iterator

from understudy.doctor.finding import Finding, Level, some
from understudy.doctor.seen import Document, Seen
from understudy.events.facts import Facts, Readings, facts_of, letters_used
from understudy.events.texts import ADVICE
from understudy.failover.facts import REGISTER_OK_S


def protection(seen: Seen) -> Iterator[Finding]:
    """The next failure would be caught, as the agent here sees the site; a standby could take something over."""
    facts = _facts(seen)
    if facts.unprotected:
        yield Finding("FAIL", "protection", f"UNPROTECTED: {facts.unprotected}", ADVICE["unprotected"])
    elif facts.unprotected is not None:
        yield Finding("ok", "protection", "PROTECTED")
    if facts.standby_unfit:
        yield Finding("FAIL", "standby", facts.standby_unfit, ADVICE["standby-unfit"])
    elif facts.standby_unfit is not None:
        yield Finding("ok", "standby", "can take over")


def orders(seen: Seen) -> Iterator[Finding]:
    """What people, or a rule, want of this server."""
    if seen.orders is None:
        return
    failed, maintenance = seen.orders["failed"], seen.orders["maintenance"]
    if failed:
        repair = "" if seen.orders["cleared"] else "Repair the fault and run `understudy clear`. "
        yield Finding("FAIL", "orders", f"this server is declared FAILED: {failed}", f"{repair}Restart the machine.")
    elif seen.orders["detached"]:
        yield Finding("warn", "orders", "this server was removed from failover", "Take it out of the site file.")
    elif maintenance is not None:
        until = f" until {maintenance['until']}" if maintenance["until"] else ""
        advice = "Run `understudy maintenance off` when the work is done."
        yield Finding("warn", "orders", f"this server is in maintenance{until}", advice)
    else:
        yield Finding("ok", "orders", "neither maintenance nor a fault")


def register(seen: Seen) -> Iterator[Finding]:
    """The arbitration register answers and could lose one more member."""
    told = seen.status.get("register") if seen.status is not None else None
    if told is None:
        return
    age_s, trouble = told["age_s"], told["trouble"]
    if age_s is None or age_s >= REGISTER_OK_S:
        when = "never answered this server" if age_s is None else f"has not answered for {age_s:.0f} s"
        yield Finding("FAIL", "register", f"it {when}{f'; {trouble}' if trouble else ''}", ADVICE["quorum"])
    elif trouble:
        bearable = all(each.startswith("quorum at risk") for each in trouble.split("; "))
        level: Level = "warn" if bearable else "FAIL"
        yield Finding(level, "register", trouble, ADVICE["quorum"])
    else:
        yield Finding("ok", "register", f"answered {age_s:.1f} s ago")


def heartbeats(seen: Seen) -> Iterator[Finding]:
    """Every other server is heard; witnesses send nothing."""
    for server in seen.status["servers"] if seen.status is not None else ():
        name = server["name"]
        if name == seen.plan.node or server["kind"] == "witness":
            continue
        if server["reachable"]:
            yield Finding("ok", f"heartbeat of {name}", f"heard {server['age_s']:.1f} s ago, is {server['state']}")
        else:
            advice = f"Look whether {name} runs, at its cables and at `understudy doctor` there."
            yield Finding("FAIL", f"heartbeat of {name}", server["reason"], advice)


def disks(seen: Seen) -> Iterator[Finding]:
    """Every disk letter is in use, and retention keeps up with what is recorded."""
    if seen.progress is None:
        return
    used, known = letters_used(seen.plan), seen.progress["disks"]
    for disk in seen.plan.me.disks:
        check, told = f"disk {disk.letter}", known.get(disk.letter)
        if told is None:
            yield Finding(
                "FAIL", check, "the recorder does not know it", "Run `systemctl restart understudy-recorder`."
            )
            continue
        text = f"{told['free_bytes'] / 1024**3:.1f} of {told['total_bytes'] / 1024**3:.1f} GiB free"
        if told["state"] != "ok":
            advice = f"Look at {disk.path}: `findmnt {disk.path}`, `dmesg`, `journalctl -u understudy-recorder -n 50`."
            level: Level = "FAIL" if disk.letter in used else "warn"
            why = f": {told['error']}" if told["error"] else ""
            yield Finding(level, check, f"is {told['state']}{why}", advice)
        elif told["free_bytes"] < disk.free_floor_bytes // 2:
            floor = f"below half of the {disk.free_floor_bytes / 1024**3:.2f} GiB that retention keeps free"
            advice = f"Find what else fills it (`du -h -d 2 {disk.path}`), or what is kept (`understudy hold list`)."
            yield Finding("warn", check, f"{text}, {floor}", advice)
        else:
            yield Finding("ok", check, text)


def cameras(seen: Seen) -> Iterator[Finding]:
    """Every camera that this server is to record has frames."""
    facts, told = _facts(seen), seen.progress
    if told is None or facts.carries is None:
        return
    for name in facts.carries:
        mode = told["parts"].get(name, {}).get("mode", "off")
        if mode != "record":
            advice = "Read `journalctl -u understudy-agent -u understudy-recorder -n 50`."
            yield Finding("FAIL", f"recording of {name}", f"is carried here, but the recorder has it {mode}", advice)
    for label in facts.unrecorded:
        yield Finding(
            "FAIL",
            f"camera {label}",
            _trouble(told, label),
            "Look at the camera, its network and login; `understudy status`.",
        )
    if not facts.cameras:
        yield Finding("ok", "cameras", "none is to be recorded here now")
    else:
        well = facts.cameras - len(facts.unrecorded)
        text = f"{well} of {facts.cameras} are recorded"
        if well == facts.cameras:
            yield Finding("ok", "cameras", text)
        else:
            yield Finding("FAIL", "cameras", text, "Where most are lost, look at the network they share first.")


def _trouble(progress: Document, label: str) -> str:
    logical, _, number = label.rpartition("/")
    camera = next(c for c in progress["parts"][logical]["cameras"] if str(c["number"]) == number)
    age_s = camera["last_frame_age_s"]
    newest = "no frame has come yet" if age_s is None else f"its newest frame is {age_s:.1f} s old"
    return f"{newest}; {camera['error']}" if camera["error"] else newest


def prerolls(seen: Seen) -> Iterator[Finding]:
    """What a standby would need at a takeover is there."""
    facts = _facts(seen)
    if not facts.prerolls:
        return
    if facts.preroll_short:
        text = f"{len(facts.preroll_short)} of {facts.prerolls} cameras hold too little: {some(facts.preroll_short)}"
        yield Finding("warn", "pre-roll", text, f"It fills by itself after a start. {ADVICE['preroll']}")
    else:
        yield Finding("ok", "pre-roll", f"{facts.prerolls} of {facts.prerolls} cameras hold what they shall")


def alarms(seen: Seen) -> Iterator[Finding]:
    """Nothing is open at the site."""
    if seen.alarms is None:
        return
    titles = [str(alarm["title"]) for alarm in seen.alarms if alarm["state"] == "open"]
    if titles:
        advice = "`understudy alarms` tells what was measured; `understudy alarms ack ID` that you know of it."
        yield Finding("warn", "alarms", f"{len(titles)} open: {some(titles, '; ')}", advice)
    else:
        yield Finding("ok", "alarms", "none is open")


def _facts(seen: Seen) -> Facts:
    return facts_of(seen.plan, Readings(), seen.progress, seen.status)


CHECKS = (protection, orders, register, heartbeats, disks, cameras, prerolls, alarms)

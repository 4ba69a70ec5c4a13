"""Processes of a server: killed, stopped, started with nonsense, started twice, starved of memory and of CPU."""

from __future__ import annotations

from dataclasses import replace

import story

from faults.play import Play
from faults.power import TAKING
from faults.scenario import STEADY, TAKEN, fault

PLAN = "/etc/understudy/plan.json"
ALLOCATE = "kept = []\nwhile True:\n    kept.append(bytearray(b'x' * (32 << 20)))\n"
STARVED_S = 12
#: restart, reconnect, up to 2 s to the next key frame, and what the killed process had in memory
RECORDER_RESTART_FRAMES = 6 * story.FPS


@fault(5, "agent-killed", "`kill -9` of the agent of `rec1`")
def agent_killed(play: Play) -> None:
    play.fault("kill", "rec1", "understudy-agent")
    play.last(6)
    play.expect(story.carrier(play.lab, "north") == "rec1", "rec1 does not carry north")


@fault(
    6,
    "agent-stopped",
    "the agent of `rec1` is stopped (SIGSTOP) for 15 s; its watchdog replaces it meanwhile",
    north=TAKEN,
    rows=TAKING,
    ci=True,
)
def agent_stopped(play: Play) -> None:
    at_s = play.stop("rec1", "understudy-agent")
    play.taken()
    left_s = play.sampler.left_s("rec1", "north", at_s)
    play.figure("addresses left the stopped agent's machine after, s", None if left_s is None else left_s - at_s, 3.4)
    play.last(11)
    play.until(lambda: play.state("rec1") == "RETURNING", 15, "rec1 to be RETURNING")


@fault(
    7,
    "plan-spoilt",
    "the plan of `rec1` is replaced by nonsense and its agent started again and again",
    north=TAKEN,
    rows=TAKING,
)
def plan_spoilt(play: Play) -> None:
    def mend() -> None:
        play.run("rec1", "mv", f"{PLAN}.kept", PLAN)
        play.run("rec1", "systemctl", "restart", "understudy-agent")

    play.run("rec1", "mv", PLAN, f"{PLAN}.kept")
    play.undo(mend)
    play.run("rec1", "sh", "-c", f"echo '{{nonsense' >{PLAN}; chgrp understudy {PLAN}; chmod 640 {PLAN}")
    play.fault("kill", "rec1", "understudy-agent")
    play.taken()
    play.last(8)


@fault(
    8,
    "recorder-killed",
    "`kill -9` of the recorder of `rec1`",
    north=replace(STEADY, missing=RECORDER_RESTART_FRAMES),
)
def recorder_killed(play: Play) -> None:
    play.fault("kill", "rec1", "understudy-recorder")
    play.last(12)


@fault(
    9,
    "recorder-stopped",
    "the recorder of `rec1` is stopped (SIGSTOP) for 20 s; its watchdog would need 15 s",
    rows=(("stby1", 302),),
)
def recorder_stopped(play: Play) -> None:
    play.stop("rec1", "understudy-recorder")
    play.last(20)


@fault(34, "memory-used-up", "a process of `rec1` takes memory until the kernel kills one")
def memory_used_up(play: Play) -> None:
    unit = ("systemd-run", "--quiet", "--collect", "--unit=lab-hog")
    play.run("rec1", *unit, "/usr/bin/python3", "-c", ALLOCATE)
    play.undo(lambda: play.run("rec1", "systemctl", "stop", "lab-hog", check=False))
    ended = "systemctl is-active --quiet lab-hog && echo runs || true"
    play.until(lambda: not play.run("rec1", "sh", "-c", ended), 60, "the kernel to kill it")
    play.last(5)


@fault(35, "cpu-starved", f"four busy processes at the recorder's priority on `rec1` for {STARVED_S} s (2 cores)")
def cpu_starved(play: Play) -> None:
    # They end by themselves: this machine's own processes, this one among them, come after the lab's hosts.
    busy = ("timeout", str(STARVED_S), "/bin/sh", "-c", "while :; do :; done")
    for number in range(4):
        unit = ("systemd-run", "--quiet", "--collect", "--no-block", f"--unit=lab-busy-{number}")
        play.run("rec1", *unit, "--property=Nice=-5", *busy)
    play.last(STARVED_S + 3)


@fault(48, "agent-twice", "an operator starts a second agent by hand on `rec1`")
def agent_twice(play: Play) -> None:
    rights = "AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK"
    unit = ("systemd-run", "--quiet", "--collect", "--unit=lab-twin")
    user = ("--property=User=understudy", f"--property={rights}")
    play.run("rec1", *unit, *user, "/usr/local/bin/understudy", "agent")
    play.undo(lambda: play.run("rec1", "systemctl", "stop", "lab-twin", check=False))
    play.last(6)
    state = play.run("rec1", "sh", "-c", "systemctl is-active lab-twin || true").strip()
    play.expect(state != "active", "the second agent runs beside the first")
    play.expect("rec1" in play.run("rec1", "understudy", "status"), "the first agent does not answer any more")


@fault(50, "rolling-restart", "etcd, agent and web of every server are restarted, one server after the other")
def rolling_restart(play: Play) -> None:
    for server in ("stby1", "rec2", "rec1"):
        for unit in ("etcd", "understudy-agent", "understudy-web"):
            play.run(server, "systemctl", "restart", unit)
        play.last(4)

"""Whole machines die, freeze, reboot; alone, two at a time, one after the other."""

from __future__ import annotations

import time
from dataclasses import replace

import story

from faults import register
from faults.play import Play
from faults.scenario import HANDED, STEADY, TAKEN, TAKEN_AND_BACK, fault

TAKING = (("stby1", 301), ("stby1", 403), ("stby1", 501))
#: nobody can answer for a part meanwhile
WAITING = replace(STEADY, away_s=None, homeward_s=None)


@fault(1, "crash", "`rec1` dies silently: no closing packet, no answer", north=TAKEN, rows=TAKING)
def crash(play: Play) -> None:
    play.fault("crash", "rec1")
    play.taken()


@fault(
    1, "power-cut", "the same, and all that no disk had been told to sync is lost", north=TAKEN, rows=TAKING, ci=True
)
def power_cut(play: Play) -> None:
    play.fault("powercut", "rec1")
    play.taken()
    play.expect(story.carrier(play.lab, "south") == "rec2", "south moved")


@fault(2, "crash-of-the-leader", "`rec1` leads the register and dies silently", north=TAKEN, rows=TAKING)
def crash_of_the_leader(play: Play) -> None:
    register.lead(play.lab, "rec1")
    play.fault("crash", "rec1")
    play.taken()
    play.expect(register.leader(play.lab) != "rec1", "the dead member still leads")


@fault(3, "hang", "every process of `rec1` stops, its kernel and its NICs live on", north=TAKEN, rows=TAKING)
def hang(play: Play) -> None:
    at_s = play.fault("freeze", "rec1")
    play.taken()
    left_s = play.sampler.left_s("rec1", "north", at_s)
    play.figure("addresses left the hung machine after, s", None if left_s is None else left_s - at_s, 3.4)


@fault(
    4,
    "reboot",
    "`systemctl reboot` on `rec1`; its service manager runs the agent's stop before network, etcd and recorder",
    north=HANDED,
    rows=(("rec1", 211), ("rec1", 231), ("stby1", 304), ("stby1", 402), ("stby1", 501)),
)
def reboot(play: Play) -> None:
    play.run("rec1", "systemctl", "reboot", check=False)
    play.taken()


@fault(33, "freeze-and-go-on", "all of `rec1` freezes for 10 s and goes on", north=TAKEN, rows=TAKING)
def freeze_and_go_on(play: Play) -> None:
    play.fault("freeze", "rec1")
    play.taken()
    play.last(5)
    play.lab.heal("rec1")
    play.until(lambda: play.state("rec1") == "RETURNING", 15, "rec1 to be RETURNING")


@fault(
    36,
    "two-homes-without-agents",
    "the agents of `rec1` and `rec2` end within a second (their etcd lives, or nothing could be decided)",
    north=TAKEN,
    south=WAITING,
    rows=TAKING,
)
def two_homes_without_agents(play: Play) -> None:
    play.shut("rec1", "understudy-agent")
    play.shut("rec2", "understudy-agent")
    play.carried("north", "stby1")
    play.carried("south", None)
    protection = play.lab.status()["protection"]
    play.expect(protection["state"] == "UNPROTECTED", f"protection is {protection}")
    play.expect("south" in protection["reason"], f"the reason does not name south: {protection['reason']}")
    play.last(5)


@fault(
    36,
    "two-homes-with-the-majority",
    "`rec1` and `rec2` die within a second, and with them the majority of the register",
    # The majority is back as soon as one of them boots, and then it is a race between the standby and north's home.
    north=replace(WAITING, moves=(0, *TAKEN_AND_BACK)),
    south=replace(WAITING, missing=None),
    rows=(("stby1", 301), ("stby1", 407)),
)
def two_homes_with_the_majority(play: Play) -> None:
    play.fault("crash", "rec1")
    play.fault("crash", "rec2")
    play.until(lambda: play.decided("stby1", 407), 20, "stby1 to say that it records without the register")
    play.last(8)
    for part in story.HOMES:
        play.expect(story.carrier(play.lab, part) is None, f"{part} is carried without a majority")


@fault(
    38,
    "standby-restarts-while-shadowing",
    "`rec1` dies, and 2 s later the agent of `stby1` is killed",
    north=replace(TAKEN, away_s=8.0),
    rows=(("stby1", 501),),
)
def standby_restarts_while_shadowing(play: Play) -> None:
    play.fault("crash", "rec1")
    play.until(lambda: play.decided("stby1", 301), 10, "stby1 to shadow north")
    play.fault("kill", "stby1", "understudy-agent")
    play.taken()


@fault(
    38,
    "standby-restarts-after-the-claim",
    "`rec1` dies, and the agent of `stby1` is killed as soon as the addresses are there",
    north=TAKEN,
    rows=(*TAKING, ("stby1", 108)),
)
def standby_restarts_after_the_claim(play: Play) -> None:
    at_s = play.fault("crash", "rec1")
    play.until(lambda: play.sampler.came_s("stby1", "north", at_s) is not None, 15, "stby1 to hold north's addresses")
    play.fault("kill", "stby1", "understudy-agent")
    play.until(lambda: play.decided("stby1", 108), 10, "the new agent to find that it carried north")
    play.taken()


@fault(
    39,
    "standby-dies-while-it-serves",
    "`rec1` dies, comes back, and before north is handed home `stby1` dies",
    north=TAKEN,
    rows=(*TAKING, ("rec1", 805)),
)
def standby_dies_while_it_serves(play: Play) -> None:
    play.fault("crash", "rec1")
    play.taken()
    play.lab.heal("rec1")
    play.until(lambda: play.state("rec1") == "RETURNING", 20, "rec1 to be RETURNING")
    play.until(lambda: play.progress("rec1")["parts"]["north"]["mode"] == "record", 10, "rec1 to record north")
    play.last(3)
    at_s = time.monotonic()
    play.fault("crash", "stby1")
    play.carried("north", "rec1")
    play.answering()
    play.figure("home carries its part again after, s", time.monotonic() - at_s)


@fault(
    40,
    "standby-in-use",
    "`stby1` plays north when the agent of `rec2` ends; then `rec1` comes back",
    north=TAKEN,
    south=replace(TAKEN, away_s=None),
    rows=TAKING,
)
def standby_in_use(play: Play) -> None:
    play.fault("crash", "rec1")
    play.taken()
    protection = play.lab.status()["protection"]
    play.expect(protection["state"] == "UNPROTECTED", f"protection is {protection}")
    play.shut("rec2", "understudy-agent")
    play.carried("south", None)
    play.expect(story.carrier(play.lab, "north") == "stby1", "north moved")
    play.lab.heal("rec1")
    play.run("stby1", "understudy", "handback", "north")
    play.carried("north", "rec1", 60)
    at_s = time.monotonic()
    play.taken("south")
    play.figure("free standby carries the second part after, s", time.monotonic() - at_s, 6.0)


@fault(
    41,
    "home-returns-during-the-takeover",
    "`rec1` dies and is started again at once",
    north=replace(TAKEN, moves=(0, 2), away_s=None),
)
def home_returns_during_the_takeover(play: Play) -> None:
    play.fault("crash", "rec1")
    play.lab.heal("rec1")
    play.until(lambda: story.carrier(play.lab, "north") is not None, 20, "somebody to carry north")
    play.answering()


@fault(
    53,
    "cold-start",
    "all three servers die within a second and start again together",
    north=replace(WAITING, missing=None),
    south=replace(WAITING, missing=None),
    ci=True,
)
def cold_start(play: Play) -> None:
    for server in ("rec1", "stby1", "rec2"):
        play.fault("powercut", server)
    at_s = time.monotonic()
    play.lab.heal("all")
    play.answering(60)
    play.figure("all addresses answer after, s", time.monotonic() - at_s)

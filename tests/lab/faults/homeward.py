"""The way home is interrupted: the machines die in the middle of it, the copy is broken off."""

from __future__ import annotations

from dataclasses import replace

import story

from faults.play import Play
from faults.power import TAKING
from faults.scenario import TAKEN, fault

OUTAGE_S = 25


def return_home(play: Play) -> None:
    """rec1 dies and comes back; stby1 still carries north."""
    play.fault("crash", "rec1")
    play.taken()
    play.lab.heal("rec1")
    play.until(lambda: play.state("rec1") == "RETURNING", 20, "rec1 to be RETURNING")


@fault(
    42,
    "home-dies-at-the-handback",
    "`rec1` dies again the moment north is handed home",
    north=replace(TAKEN, moves=(2, 4)),
    rows=TAKING,
)
def home_dies_at_the_handback(play: Play) -> None:
    return_home(play)
    play.run("stby1", "understudy", "handback", "north")
    play.fault("crash", "rec1")
    play.taken()


@fault(
    42,
    "standby-dies-at-the-handback",
    "`stby1` dies the moment it hands north home",
    north=TAKEN,
    rows=TAKING,
)
def standby_dies_at_the_handback(play: Play) -> None:
    return_home(play)
    play.run("stby1", "understudy", "handback", "north")
    play.fault("crash", "stby1")
    play.carried("north", "rec1")
    play.answering()


@fault(
    43,
    "copy-interrupted",
    "while the footage of an outage goes home, the web part of both servers is killed, and then `rec1` loses power",
    north=replace(TAKEN, moves=(4,)),
    rows=TAKING,
)
def copy_interrupted(play: Play) -> None:
    play.fault("crash", "rec1")
    play.taken()
    play.last(OUTAGE_S)
    play.lab.heal("rec1")
    play.run("stby1", "understudy", "handback", "north")
    play.carried("north", "rec1", 60)
    held = story.segments_held(play.lab, "stby1", "north")
    play.expect(bool(held), "nothing was left to copy")
    for server in ("rec1", "stby1"):
        play.fault("kill", server, "understudy-web")
    play.fault("powercut", "rec1")
    play.taken()

"""Disks of a server: dead, read-only, full, hanging, pulled; the disk of the register's members."""

from __future__ import annotations

from dataclasses import replace

import story

from faults import register
from faults.play import Play
from faults.power import TAKING
from faults.scenario import STEADY, TAKEN, fault

#: camera 3 of every part records on disk letter D, the others on C
ON_D = replace(STEADY, spared=(3,))
STALL_S = 8


def _lasts(play: Play, name: str, disk: str, state: str) -> None:
    """A fault of a disk of rec1 that its recorder must notice; nothing else may."""
    play.fault(name, "rec1", disk)
    play.until(
        lambda: play.progress("rec1")["disks"][disk]["state"] == state, 20, f"rec1 to say that {disk} is {state}"
    )
    play.last(6)
    errors = [c["error"] for c in play.progress("rec1")["parts"]["north"]["cameras"] if c["number"] == 3]
    play.expect(all(errors), f"the status does not say why camera 3 is not recorded: {errors}")


@fault(12, "disk-dead", "disk letter D of `rec1` answers every access with an error", north=ON_D)
def disk_dead(play: Play) -> None:
    _lasts(play, "disk-dead", "D", "error")


@fault(12, "disk-read-only", "the kernel makes D of `rec1` read-only", north=ON_D)
def disk_read_only(play: Play) -> None:
    _lasts(play, "disk-readonly", "D", "read-only")


@fault(12, "disk-pulled", "D of `rec1` is pulled out", north=ON_D)
def disk_pulled(play: Play) -> None:
    _lasts(play, "disk-pull", "D", "missing")


@fault(12, "disk-hangs", "writes to C of `rec1` do not return for 10 s", ci=True)
def disk_hangs(play: Play) -> None:
    play.fault("disk-hang", "rec1", "C")
    play.until(lambda: play.progress("rec1")["disks"]["C"]["state"] == "hung", 15, "rec1 to say that C is hung")
    play.last(4)


@fault(13, "disk-full", "no block is left on D of `rec1`", north=ON_D)
def disk_full(play: Play) -> None:
    play.fault("disk-full", "rec1", "D")
    play.until(lambda: play.progress("rec1")["disks"]["D"]["state"] == "full", 20, "rec1 to say that D is full")
    play.last(6)


@fault(15, "leader-disk-stalls", f"the disk of the leading member, on `rec1`, hangs for {STALL_S} s", ci=True)
def leader_disk_stalls(play: Play) -> None:
    register.lead(play.lab, "rec1")
    play.fault("disk-hang", "rec1", "state")
    play.last(STALL_S)


@fault(
    15,
    "other-leader-disk-stalls",
    f"the same on `rec2`, which carries south: `rec1` loses only the leader, for {STALL_S} s",
)
def other_leader_disk_stalls(play: Play) -> None:
    register.lead(play.lab, "rec2")
    play.fault("disk-hang", "rec2", "state")
    play.last(STALL_S)


@fault(16, "follower-disk-stalls", f"the disk of the member on `rec1`, a follower, hangs for {STALL_S} s")
def follower_disk_stalls(play: Play) -> None:
    register.lead(play.lab, "rec2")
    play.fault("disk-hang", "rec1", "state")
    play.last(STALL_S)


@fault(
    54,
    "standby-disk-full",
    "C of `stby1` runs full to the last block while it plays north",
    north=replace(TAKEN, spared=(1, 2, 4)),
    rows=TAKING,
)
def standby_disk_full(play: Play) -> None:
    play.fault("crash", "rec1")
    play.taken()
    play.fault("disk-full", "stby1", "C")
    play.until(lambda: play.progress("stby1")["disks"]["C"]["state"] == "full", 20, "stby1 to say that C is full")
    play.last(4)
    play.expect(story.carrier(play.lab, "north") == "stby1", "stby1 gave north up")

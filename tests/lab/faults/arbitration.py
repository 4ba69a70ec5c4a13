"""The register: its leader stopped, its majority gone, read-only, set back; carriers cut off from it."""

from __future__ import annotations

import time
from dataclasses import replace

import story

from faults import register
from faults.play import Play
from faults.scenario import STEADY, TAKEN, fault

#: it stays where it is, under the next epoch
RECREATED = replace(STEADY, moves=(0, 1))
WAITING = replace(STEADY, away_s=None, homeward_s=None)


@fault(17, "leader-stopped", "etcd of the leader, on `rec1`, is stopped (SIGSTOP) for 8 s")
def leader_stopped(play: Play) -> None:
    register.lead(play.lab, "rec1")
    play.stop("rec1", "etcd")
    play.last(8)


@fault(17, "other-leader-stopped", "the same on `stby1`")
def other_leader_stopped(play: Play) -> None:
    register.lead(play.lab, "stby1")
    play.stop("stby1", "etcd")
    play.last(8)


@fault(18, "majority-stopped", "etcd ends on `rec2` and `stby1` for 40 s", rows=(("rec1", 203), ("rec2", 203)), ci=True)
def majority_stopped(play: Play) -> None:
    play.shut("rec2", "etcd")
    play.shut("stby1", "etcd")
    play.last(20)
    protection = play.lab.status()["protection"]
    play.expect(protection["state"] == "UNPROTECTED", f"protection is {protection}")
    play.expect("register" in protection["reason"], f"the reason does not name the register: {protection['reason']}")
    play.last(20)


@fault(
    19,
    "home-dies-without-register",
    "etcd ends on `rec2` and `stby1`, then `rec1` dies; 12 s later etcd is back",
    north=replace(TAKEN, away_s=None),
    rows=(("stby1", 301), ("stby1", 407), ("stby1", 501)),
)
def home_dies_without_register(play: Play) -> None:
    play.shut("rec2", "etcd")
    play.shut("stby1", "etcd")
    play.last(3)
    play.fault("crash", "rec1")
    play.last(12)
    play.expect(story.carrier(play.lab, "north") is None, "north was taken without the register")
    for server in ("rec2", "stby1"):
        play.run(server, "systemctl", "start", "--no-block", "etcd")
    at_s = time.monotonic()
    play.until(lambda: register.answers(play.lab), 20, "the register to answer")
    back_s = time.monotonic()
    play.figure("register answers again after, s", back_s - at_s)
    play.taken()
    play.figure("addresses answer after the register, s", time.monotonic() - back_s, 8.0)


@fault(
    20,
    "standby-dies-without-register",
    "etcd ends on `rec1` and `rec2`, then `stby1` dies: nobody knows whether it has the majority",
    north=WAITING,
    south=WAITING,
    rows=(("rec1", 205), ("rec2", 205), ("rec1", 901), ("rec2", 901)),
)
def standby_dies_without_register(play: Play) -> None:
    play.shut("rec1", "etcd")
    play.shut("rec2", "etcd")
    play.last(3)
    at_s = play.fault("crash", "stby1")
    for server, part in (("rec1", "north"), ("rec2", "south")):

        def gone(server: str = server, part: str = part) -> bool:
            return play.sampler.left_s(server, part, at_s) is not None

        play.until(gone, 15, f"{server} to drop {part}'s addresses")
        play.figure(f"{part} dropped after, s", (play.sampler.left_s(server, part, at_s) or 0.0) - at_s)
    play.last(5)


@fault(21, "no-space", "the register refuses every write for 20 s (alarm NOSPACE)")
def no_space(play: Play) -> None:
    play.undo(lambda: register.alarm(play.lab, "rec2", "DEACTIVATE"))
    register.alarm(play.lab, "rec2", "ACTIVATE")
    play.last(20)


@fault(
    22,
    "owner-set-back",
    "the register says of north what it said before its last move, as one restored from a backup",
    north=TAKEN,
    rows=(("rec1", 203), ("rec1", 201)),
)
def owner_set_back(play: Play) -> None:
    play.run("rec1", "systemctl", "stop", "understudy-agent")
    play.taken()
    old = register.owners(play.lab)["north"]
    play.run("rec1", "systemctl", "start", "understudy-agent")
    play.run("stby1", "understudy", "handback", "north")
    play.carried("north", "rec1", 60)
    play.last(2)
    new = register.owners(play.lab)["north"]
    play.undo(lambda: register.put_owner(play.lab, "north", new))
    register.put_owner(play.lab, "north", old)
    play.last(8)
    status = play.lab.status()
    play.expect(status["protection"]["state"] == "UNPROTECTED", f"protection is {status['protection']}")
    play.expect("epoch" in str(status), "the status does not say that an epoch went back")
    play.expect(story.carrier(play.lab, "north") == "rec1", "rec1 gave north up")


@fault(
    22,
    "register-lost",
    "the register loses everything; 10 s later `understudy register recreate` on `stby1`",
    north=RECREATED,
    south=RECREATED,
    rows=(("rec1", 203), ("rec2", 203), ("rec1", 201), ("rec2", 201)),
)
def register_lost(play: Play) -> None:
    command = ("understudy", "register", "recreate")
    play.undo(lambda: play.run("stby1", *command, "--yes", check=False))
    register.lose(play.lab)
    play.last(10)
    status = play.lab.status()
    play.expect(status["protection"]["state"] == "UNPROTECTED", f"protection is {status['protection']}")
    for part, home in story.HOMES.items():
        play.expect(story.carrier(play.lab, part) == home, f"{home} gave {part} up")
    told = play.run("stby1", *command, check=False)
    play.expect("rec1 keeps it" in told and "rec2 keeps it" in told, f"what would be written: {told}")
    play.expect(not register.owners(play.lab), "it was written although nobody said yes")
    play.run("stby1", *command, "--yes")
    for part, owner in register.owners(play.lab).items():
        play.figure(f"epochs of {part} more", owner["epoch"] - play.before.epochs[part])
        play.expect(owner["epoch"] > play.before.epochs[part], f"the epoch of {part} is {owner['epoch']}")
    play.until(lambda: play.lab.status()["protection"]["state"] == "PROTECTED", 15, "the site to be protected again")
    play.last(5)


@fault(23, "cut-from-register", "`rec1` reaches no other member of the register and no other reaches it, for 20 s")
def cut_from_register(play: Play) -> None:
    for nic in ("cam0", "cli0"):
        for port in ("2379", "2380"):
            play.fault("drop-port", "rec1", nic, port)
    play.last(20)

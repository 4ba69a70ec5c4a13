"""Cables, switches, lossy lines and foreign hosts."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import story

from faults.play import Play
from faults.power import TAKING, WAITING
from faults.scenario import STEADY, TAKEN, fault

NICS = ("cam0", "cli0")
ADDRESS4, ADDRESS6 = "198.18.31.101", "fd00:31::101"
HEARTBEATS = "4620"
#: what a deaf carrier writes is executed, though it does not hear so, up to its deadline (3.0 s); then its beat must
#: stand still for 3.6 s; 0.4 s for the claim and the announcement
DEAF_S = 3.0 + 3.6 + 0.4


def cut(play: Play, host: str, *peers: str) -> float:
    """Nothing passes between `host` and `peers` on any network, either way; cameras and clients are reached.

    Returns when the cut was complete: until the last rule is in, a renewal or a promise may still get through.
    """
    for nic in NICS:
        for peer in peers:
            play.fault("drop-to", host, nic, peer)
            play.fault("drop-from", host, nic, peer)
    return time.monotonic()


@fault(10, "camera-dead", "the camera of north/1 is dead for 15 s", north=replace(STEADY, missing=10 * story.FPS))
def camera_dead(play: Play) -> None:
    play.run("cams", "sh", "-c", "cd /opt/lab && python3 -m camsim ctl north1 reboot 15")
    play.last(8)
    camera = next(c for c in story.logical(play.lab.status(), "north")["cameras"] if c["number"] == 1)
    play.expect(camera["error"] is not None, f"the status does not say that the camera is away: {camera}")
    play.last(12)


@fault(
    11,
    "all-cameras-dead",
    "all cameras of the site are dead for 10 s",
    north=replace(STEADY, missing=10 * story.FPS),
    south=replace(STEADY, missing=10 * story.FPS),
)
def all_cameras_dead(play: Play) -> None:
    play.run("cams", "sh", "-c", "cd /opt/lab && python3 -m camsim ctl all reboot 10")
    play.last(16)


@fault(11, "camera-cable-out", "the camera cable of `rec1` is out for 20 s; `stby1` sees its cameras", north=TAKEN)
def camera_cable_out(play: Play) -> None:
    play.fault("cable-out", "rec1", "cam0")
    play.last(20)


@fault(
    24,
    "heartbeats-lost",
    "no heartbeat of `rec1` gets out or in for 12 s; the register is reached",
)
def heartbeats_lost(play: Play) -> None:
    for nic in NICS:
        play.fault("drop-port", "rec1", nic, HEARTBEATS)
    play.last(12)


@fault(
    25,
    "carrier-isolated",
    "nothing passes between `rec1` and the other servers for 15 s; clients and cameras reach it",
    north=TAKEN,
    rows=(*TAKING, ("rec1", 205), ("rec1", 903)),
    ci=True,
)
def carrier_isolated(play: Play) -> None:
    at_s = cut(play, "rec1", "rec2", "stby1")
    play.taken()
    left_s = play.sampler.left_s("rec1", "north", at_s)
    play.figure("addresses left the isolated machine after, s", None if left_s is None else left_s - at_s, 3.4)
    play.last(8)
    play.lab.heal("rec1")
    play.until(lambda: play.decided("rec1", 903), 15, "rec1 to see that north was taken")


@fault(
    26,
    "carrier-deaf",
    "`rec1` sends but hears nothing, on both networks, for 12 s",
    north=replace(TAKEN, away_s=DEAF_S),
    rows=TAKING,
)
def carrier_deaf(play: Play) -> None:
    for nic in NICS:
        play.fault("drop-in", "rec1", nic)
    play.taken()
    play.last(4)


@fault(26, "carrier-mute", "`rec1` hears but sends nothing, on both networks, for 12 s", north=TAKEN, rows=TAKING)
def carrier_mute(play: Play) -> None:
    for nic in NICS:
        play.fault("drop-out", "rec1", nic)
    play.taken()
    play.last(4)


@fault(27, "standby-cut-off", "`stby1` is alone on its side of the cut for 15 s", rows=(("stby1", 407),))
def standby_cut_off(play: Play) -> None:
    cut(play, "stby1", "rec1", "rec2")
    play.last(15)


@fault(27, "homes-apart", "nothing passes between `rec1` and `rec2` for 15 s; `stby1` reaches both")
def homes_apart(play: Play) -> None:
    cut(play, "rec1", "rec2")
    play.last(15)


@fault(
    28,
    "loss",
    "30 % of all packets of `rec1` are lost on the client network, each way, for 60 s; no heartbeat on the other",
    north=replace(STEADY, away_s=None),
)
def loss(play: Play) -> None:
    play.fault("drop-port", "rec1", "cam0", HEARTBEATS)
    play.fault("loss", "rec1", "cli0", "30")
    play.last(60)


@fault(
    29,
    "flapping-link",
    "the client cable of `rec1` is out for 2 s and in for 2 s, eight times",
    north=replace(STEADY, moves=(0, 2), away_s=6.0),
)
def flapping_link(play: Play) -> None:
    for _ in range(8):
        play.fault("cable-out", "rec1", "cli0")
        play.last(2)
        play.lab.heal("rec1")
        play.last(2)


@fault(30, "client-cable-out", "the client cable of `rec1` is out for 20 s; its cameras are reached", north=TAKEN)
def client_cable_out(play: Play) -> None:
    play.fault("cable-out", "rec1", "cli0")
    play.last(20)


@fault(
    44,
    "address-conflict",
    "while `rec1` is dead a foreign host (`cams`) has both of north's addresses",
    north=replace(WAITING, moves=TAKEN.moves),
    rows=TAKING,
)
def address_conflict(play: Play) -> None:
    for address in (f"{ADDRESS4}/32", f"{ADDRESS6}/128"):
        play.undo(partial(play.run, "cams", "ip", "address", "del", address, "dev", "cli0", check=False))
    play.fault("crash", "rec1")
    for address in (f"{ADDRESS4}/32", f"{ADDRESS6}/128"):
        play.run("cams", "ip", "address", "add", address, "dev", "cli0", "nodad")
    at_s = time.monotonic()
    play.carried("north", "stby1")
    play.figure("taken in spite of the conflict after, s", time.monotonic() - at_s, 12.0)
    play.last(3)


@fault(
    45,
    "announcements-dropped",
    "the switch lets no announcement of `stby1` pass when it takes north",
    north=replace(TAKEN, away_s=None, homeward_s=None),
    rows=TAKING,
)
def announcements_dropped(play: Play) -> None:
    play.fault("no-announce", "stby1", "cli0")
    play.fault("crash", "rec1")
    play.carried("north", "stby1")
    play.answering(90)


@fault(47, "address-deleted", "an operator deletes north's addresses on `rec1`", ci=True)
def address_deleted(play: Play) -> None:
    for address in (f"{ADDRESS4}/32", f"{ADDRESS6}/128"):
        play.run("rec1", "ip", "address", "del", address, "dev", "cli0")
    play.last(3)

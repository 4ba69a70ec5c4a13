"""Which heartbeats are believed."""

from __future__ import annotations

import pytest
from understudy.arbitration.hearing import MAX_BYTES, Heard, Hearing, HeartbeatError, seal
from understudy.failover.model import Heartbeat, Phase

KEY = bytes(range(32))
OTHERS = frozenset({"rec1", "rec2"})


def heartbeat(node: str = "rec1", boot: str = "b1", **fields: object) -> Heartbeat:
    return Heartbeat(node=node, boot=boot, state=Phase.SERVING, **fields)  # type: ignore[arg-type]


def hearing() -> Hearing:
    return Hearing(KEY, "stby1", "me", OTHERS)


def test_s04_what_is_said_is_heard_on_each_network_for_itself() -> None:
    ear = hearing()
    said = heartbeat(carries=("north",), beat=b"\x00\xff", ask=1.5, grants={"rec2": ("b2", 0.1)})
    assert ear.hear(seal(KEY, 1, said), "cam0", 10.0)
    assert ear.hear(seal(KEY, 1, said), "cli0", 10.1)
    assert ear.hear(seal(KEY, 2, said), "cli0", 10.3)
    peer = ear.peers()["rec1"]
    assert peer.heartbeat == said
    assert peer.heard_s == {"cam0": 10.0, "cli0": 10.3}


def test_nothing_is_believed_twice_nor_out_of_order() -> None:
    ear = hearing()
    old, new = seal(KEY, 1, heartbeat(room=1)), seal(KEY, 2, heartbeat(room=2))
    assert ear.hear(new, "cam0", 1.0)
    assert not ear.hear(new, "cam0", 2.0)
    assert not ear.hear(old, "cam0", 3.0)
    assert ear.hear(old, "cli0", 4.0), "the slower network is alive all the same"
    assert ear.peers()["rec1"].heartbeat.room == 2
    assert ear.refused["replayed"] == 2


def test_only_what_the_loop_should_look_at_is_news() -> None:
    ear = hearing()
    assert ear.hear(seal(KEY, 1, heartbeat()), "cam0", 1.0) is Heard.NEWS
    assert ear.hear(seal(KEY, 1, heartbeat()), "cli0", 1.0) is Heard.SAME
    assert ear.hear(seal(KEY, 2, heartbeat(beat=b"renewed")), "cam0", 1.2) is Heard.SAME
    assert ear.hear(seal(KEY, 3, heartbeat(ready=("north",))), "cam0", 1.4) is Heard.NEWS


def test_a_reboot_starts_over_and_the_boot_before_cannot_be_played_back() -> None:
    ear = hearing()
    recorded = seal(KEY, 900, heartbeat(boot="b1"))
    assert ear.hear(seal(KEY, 800, heartbeat(boot="b1")), "cam0", 1.0)
    assert ear.hear(seal(KEY, 5, heartbeat(boot="b2")), "cam0", 2.0)
    assert not ear.hear(recorded, "cam0", 3.0)
    assert ear.peers()["rec1"].heartbeat.boot == "b2"


def test_a_copy_over_another_network_counts_there_but_not_after_a_reboot() -> None:
    ear = hearing()
    copied = seal(KEY, 800, heartbeat(boot="b1"))
    assert ear.hear(copied, "cam0", 1.0) is Heard.NEWS
    assert ear.hear(copied, "cli0", 1.1) is Heard.SAME
    assert ear.peers()["rec1"].heard_s == {"cam0": 1.0, "cli0": 1.1}
    assert ear.hear(seal(KEY, 5, heartbeat(boot="b2")), "cam0", 2.0)
    assert not ear.hear(copied, "mgmt0", 2.1)
    assert ear.refused == {"replayed": 1}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "malformed"),
        (b"UNDY" + bytes(20), "malformed"),
        (b"x" * 200, "malformed"),
        (bytes(MAX_BYTES + 1), "malformed"),
        (seal(bytes(32), 1, heartbeat()), "foreign"),
        (seal(KEY, 1, heartbeat())[:-1] + b"\x00", "foreign"),
        (seal(KEY, 1, heartbeat("stby1", "me")), "own"),
        (seal(KEY, 1, heartbeat("stby1", "clone")), "same name"),
        (seal(KEY, 1, heartbeat("nobody")), "unknown server"),
    ],
)
def test_the_rest_is_counted_and_never_raises(data: bytes, reason: str) -> None:
    ear = hearing()
    assert not ear.hear(data, "cam0", 1.0)
    assert ear.refused == {reason: 1}
    assert ear.peers() == {}


def test_every_flipped_bit_is_noticed() -> None:
    datagram = seal(KEY, 1, heartbeat())
    for index in range(len(datagram) * 8):
        torn = bytearray(datagram)
        torn[index // 8] ^= 1 << index % 8
        assert not hearing().hear(bytes(torn), "cam0", 1.0)


def test_a_heartbeat_is_bounded_and_a_big_site_fits() -> None:
    parts = {f"logical-server-{n}": Phase.TAKEN_OVER for n in range(100)}
    assert len(seal(KEY, 1, heartbeat(parts=parts, carries=tuple(parts)))) < MAX_BYTES
    with pytest.raises(HeartbeatError, match="longer than"):
        seal(KEY, 1, heartbeat(beat=bytes(MAX_BYTES)))

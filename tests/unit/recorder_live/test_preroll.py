"""The ring keeps what a takeover needs, no more, and gives it back unchanged."""

from __future__ import annotations

import random

from camera_wire import PPS, SPS, TICKS, Memory, Sender, delta, idr, session, split
from understudy.recorder.ingest.framing import walk
from understudy.recorder.ingest.parser import Session, SessionParser
from understudy.recorder.preroll import MAX_GOP_S, Ring
from understudy.recorder.ring_memory import Chunk

GOP = 50
START_US = 1_795_427_000_000_000


def frames(count: int, gop: int = GOP, sets: bool = True) -> list[bytes]:
    sender = Sender()
    lead = [SPS, PPS] if sets else []
    return [
        sender.picture([*lead, idr(b"%d" % i, 900)] if i % gop == 0 else [delta(b"%d" % i, 700)], i * TICKS)
        for i in range(count)
    ]


def fill(ring: Ring, packets: list[bytes], held: Session) -> int:
    """One frame per 40 ms, cut at packets at random as reads do."""
    counted = 0
    rng = random.Random(1)
    for index, data in enumerate(packets):
        offsets = walk(data)
        cut = rng.choice([*offsets[1:], len(data)])
        for piece in (data[:cut], data[cut:]):
            if piece:
                now_s = 100 + index * 0.04
                chunk = Chunk(piece, held, START_US + index * 40_000, now_s)
                counted += ring.append(chunk, walk(piece))
    return counted


def replay(ring: Ring) -> Memory:
    memory = Memory()
    parser: SessionParser | None = None
    for held in ring.drain():
        chunk = held.load()
        assert chunk.counted
        if parser is None or parser.session is not chunk.session:
            parser = SessionParser(chunk.session, memory)
        parser.feed(chunk.data, walk(chunk.data), chunk.wall_us)
    return memory


def test_f04_the_ring_starts_at_the_last_key_frame_that_is_old_enough() -> None:
    ring = Ring(seconds=5.0)
    assert fill(ring, frames(1000), session(SPS, PPS)) == 1000
    memory = replay(ring)
    # 999 is the newest frame, 5 s before it is 874, the key frame before that 850.
    assert len(memory.video) == 1000 - 850
    assert memory.video[0].key
    assert not ring.drain()


def test_parameter_sets_sent_once_survive_the_trimming() -> None:
    ring = Ring(seconds=2.0)
    sender = Sender()
    packets = [
        sender.picture([*([SPS, PPS] if i == 0 else []), idr() if i % GOP == 0 else delta()], i * TICKS)
        for i in range(500)
    ]
    fill(ring, packets, session())
    assert len(replay(ring).video) == 500 - 400


def test_bytes_are_bounded() -> None:
    ring = Ring(seconds=60.0, max_bytes=100_000)
    fill(ring, frames(1000), session(SPS, PPS))
    assert 50_000 < ring.bytes <= 100_000


def test_a_stream_without_key_frames_is_cut_by_time() -> None:
    ring = Ring(seconds=5.0)
    fill(ring, frames(3000, gop=10_000), session(SPS, PPS))
    assert ring.seconds <= 5.0 + MAX_GOP_S + 0.1


def test_a_reconnection_keeps_what_was_held() -> None:
    ring = Ring(seconds=20.0)
    first, second = session(SPS, PPS), session(SPS, PPS)
    fill(ring, frames(100), first)
    fill(ring, frames(100), second)
    memory = replay(ring)
    assert len(memory.video) == 200
    assert len(memory.starts) == 2


def test_malformed_packets_are_kept_out_of_the_count() -> None:
    ring = Ring(seconds=5.0)
    batch = split(bytes.fromhex("24000000") + bytes.fromhex("2400000180") + bytes.fromhex("240000028080"))
    assert ring.append(Chunk(batch.data, session(), 0, 0.0), batch.offsets) <= 1

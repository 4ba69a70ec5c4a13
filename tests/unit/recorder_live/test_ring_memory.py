"""The ring's memory, read by the process after the one that died: everything whole is there, whatever was cut."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from camera_wire import PPS, SPS, TICKS, Sender, delta, idr, session
from camera_wire import Memory as Sink
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy import systemd
from understudy.recorder.camera import Feed
from understudy.recorder.ingest.framing import walk
from understudy.recorder.ingest.parser import Session, SessionParser
from understudy.recorder.preroll import Ring
from understudy.recorder.ring_memory import _RECORDS, Chunk, Memory
from understudy.recorder.rings import Rings
from understudy.site.plan import Camera, Source

URL = "rtsp://cam/1"
START_US = 1_795_427_000_000_000
GOP = 25


def frames(first: int, stop: int, ring: Ring, held: Session, *, sets: bool = True) -> None:
    """The camera's frames, one read each, 25 a second."""
    sender = Sender()
    for number in range(first, stop):
        key = number % GOP == 0
        lead = [SPS, PPS] if key and (sets or number == first) else []
        size = 300 + number % 7 * 100
        picture = idr(b"%d" % number, 2 * size) if key else delta(b"%d" % number, size)
        data = sender.picture([*lead, picture], number * TICKS)
        ring.append(Chunk(data, held, START_US + number * 40_000, 100 + number * 0.04), walk(data))


def replay(ring: Ring) -> list[bytes]:
    sink = Sink()
    parsers: dict[int, SessionParser] = {}
    for held in ring.drain():
        chunk = held.load()
        parser = parsers.setdefault(id(chunk.session), SessionParser(chunk.session, sink))
        parser.feed(chunk.data, walk(chunk.data), chunk.wall_us)
    return [unit.payload for unit in sink.video]


def inherited(memory: Memory, source: str = URL) -> Ring | None:
    """What the next process makes of a memory whose process has died."""
    restored = Memory.restore(os.dup(memory.descriptor), source)
    return None if restored is None else Ring(5.0, memory=restored[0], held=restored[1])


@pytest.mark.parametrize("sets", [True, False])
def test_the_next_process_has_the_whole_ring_and_goes_on_with_it(sets: bool) -> None:
    memory, reference = Memory(URL), Ring(5.0)
    ring: Ring | None = Ring(5.0, memory=memory)
    for first, stop, held in ((0, 300, session()), (300, 400, session(SPS, PPS)), (425, 450, session(SPS, PPS))):
        assert ring is not None
        for each in (ring, reference):
            frames(first, stop, each, Session(held.streams, held.name), sets=sets)
        ring = inherited(memory)
        assert ring is not None
        assert (len(ring), ring.bytes, ring.seconds) == (len(reference), reference.bytes, reference.seconds)
    expected = replay(reference)
    assert ring is not None
    assert replay(ring) == expected
    # Five seconds before 449, the newest, lies in the group that begins with 300; 400 to 424 are those of a restart.
    assert len(expected) == 450 - 300 - 25


def test_what_is_trimmed_is_given_back() -> None:
    memory = Memory(URL)
    ring = Ring(2.0, memory=memory)
    held = session(SPS, PPS)
    for first in range(0, 5000, 500):
        frames(first, first + 500, ring, held)
        used = os.fstat(memory.descriptor).st_blocks * 512
        assert used <= ring.bytes + 3 * 4096
    assert os.fstat(memory.descriptor).st_size > _RECORDS + 4 * ring.bytes


def test_the_memory_goes_when_ring_and_chunks_are_gone() -> None:
    ring = Ring(2.0)
    frames(0, 50, ring, session(SPS, PPS))
    chunks = ring.drain()
    descriptor = chunks[0].memory.descriptor
    del ring
    assert chunks[0].load().size == chunks[0].size
    chunks.clear()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


@pytest.fixture(scope="module")
def left() -> tuple[bytes, list[bytes]]:
    """The bytes of a memory, and the frames in it."""
    memory = Memory(URL)
    ring = Ring(1.0, memory=memory)
    frames(0, 80, ring, session())
    data = os.pread(memory.descriptor, 1 << 24, 0)
    return data, replay(ring)


def copied(data: bytes) -> Ring | None:
    descriptor = os.memfd_create("copy")
    os.pwrite(descriptor, data, 0)
    restored = Memory.restore(descriptor, URL)
    return None if restored is None else Ring(1.0, memory=restored[0], held=restored[1])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_cut_at_any_byte_what_is_whole_before_the_cut_is_there(
    left: tuple[bytes, list[bytes]], data: st.DataObject
) -> None:
    whole, payloads = left
    at = data.draw(st.integers(0, len(whole)) | st.integers(_RECORDS, len(whole)))
    ring = copied(whole[:at])
    if ring is None:
        assert at < 64 * 1024 + _RECORDS // 2  # not one whole table
        return
    found = replay(ring)
    assert found == payloads[: len(found)]
    if at == len(whole):
        assert found == payloads


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_garbage_anywhere_is_no_fault(left: tuple[bytes, list[bytes]], data: st.DataObject) -> None:
    whole = bytearray(left[0])
    places = (
        st.integers(0, 2048) | st.integers(_RECORDS // 2, _RECORDS // 2 + 2048) | st.integers(_RECORDS, len(whole) - 1)
    )
    for at in data.draw(st.lists(places, min_size=1, max_size=5)):
        whole[at] ^= data.draw(st.integers(1, 255))
    ring = copied(bytes(whole))
    if ring is not None:
        replay(ring)


def test_a_process_that_dies_while_it_writes_a_table_leaves_the_one_before() -> None:
    memory = Memory(URL)
    ring = Ring(1.0, memory=memory)
    frames(0, 200, ring, session(SPS, PPS))
    os.pwrite(memory.descriptor, random.Random(1).randbytes(40), (memory._turn + 1) % 2 * (_RECORDS // 2) + 30)
    again = inherited(memory)
    assert again is not None
    assert replay(again) == replay(ring) != []


def test_another_source_or_an_empty_memory_is_of_no_use() -> None:
    memory = Memory(URL)
    assert inherited(memory) is None
    frames(0, 50, Ring(1.0, memory=memory), session(SPS, PPS))
    assert inherited(memory, "rtsp://cam/2") is None


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(1)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield told


def said(manager: socket.socket) -> tuple[str, list[int]]:
    message, descriptors, _, _ = socket.recv_fds(manager, 1000, 4)
    return message.decode(), descriptors


def feed(number: int, url: str = URL) -> Feed:
    return Feed("north", Camera(number=number, name="Gate", source=Source(type="rtsp", url=url), preroll_s=2.0), (), ())


def test_systemd_keeps_rings_and_hands_them_to_the_next_process(manager: socket.socket) -> None:
    rings = Rings({})
    ring = rings.open(feed(1))
    told, (kept,) = said(manager)
    assert told == "FDSTORE=1\nFDNAME=ring.north/1"
    frames(0, 75, ring, session(SPS, PPS))
    rings.open(feed(2))
    _, (other,) = said(manager)
    next_process = Rings({"ring.north/1": kept, "ring.north/2": other, "something": 99})
    assert len(next_process.open(feed(1))) == 75
    next_process.let_go_but({"north/1"})
    assert said(manager) == ("FDSTOREREMOVE=1\nFDNAME=ring.north/2", [])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(other)
    assert len(next_process.open(feed(1))) == 0  # in pre-roll again after a takeover: the old one is of no use
    assert [said(manager)[0] for _ in range(2)] == [
        "FDSTOREREMOVE=1\nFDNAME=ring.north/1",
        "FDSTORE=1\nFDNAME=ring.north/1",
    ]


def test_a_camera_at_another_place_begins_anew(manager: socket.socket) -> None:
    ring = Rings({}).open(feed(1))
    _, (kept,) = said(manager)
    frames(0, 75, ring, session(SPS, PPS))
    assert len(Rings({"ring.north/1": kept}).open(feed(1, "rtsp://cam/2"))) == 0
    assert [said(manager)[0].split("\n")[0] for _ in range(2)] == ["FDSTOREREMOVE=1", "FDSTORE=1"]


def test_descriptors_are_for_the_process_they_were_passed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "2")
    monkeypatch.setenv("LISTEN_FDNAMES", "a:b")
    assert systemd.kept() == {}

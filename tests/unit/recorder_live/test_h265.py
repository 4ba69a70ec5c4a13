"""H.265 and G.711 packets become access units; what is damaged never comes out."""

from __future__ import annotations

import struct
import zlib

import pytest
from camera_wire import TICKS, Memory, Sender, length_form, split
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.recorder.codec.h265 import dimensions, read_sps, set_id
from understudy.recorder.codec.nal import H265
from understudy.recorder.ingest.nal import NalTrack, ParameterSets, unit_kinds
from understudy.recorder.ingest.parser import Session, SessionParser
from understudy.recorder.ingest.sdp import Stream
from understudy.recorder.preroll import Ring
from understudy.recorder.ring_memory import Chunk, Held
from understudy.recorder.units import AccessUnit

#: 640x360 Main, as x265 writes them
VPS = bytes.fromhex("40010c01ffff01600000030090000003000003003fba0240")
SPS = bytes.fromhex("42010101600000030090000003000003003fa005020171f2e5ba4a4c2e6808000003000800000300c840")
PPS = bytes.fromhex("4401c0718112")
SEI = bytes.fromhex("4e010504") + b"hey!\x80"
START_US = 1_795_427_000_000_000


def nal(kind: int, body: bytes, *, first: bool = True) -> bytes:
    return bytes((kind << 1, 1, 0x80 if first else 0x20)) + body


IDR, CRA, TRAIL = nal(19, b"idr"), nal(21, b"cra"), nal(1, b"trail")


def fragments(unit: bytes, size: int) -> list[bytes]:
    body = unit[2:]
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    head = bytes((49 << 1, unit[1]))
    last = len(pieces) - 1
    flags = [(0x80 if n == 0 else 0) | (0x40 if n == last else 0) | unit[0] >> 1 for n in range(len(pieces))]
    return [head + bytes((flag,)) + piece for flag, piece in zip(flags, pieces, strict=True)]


def aggregate(*units: bytes) -> bytes:
    return bytes((48 << 1, 1)) + b"".join(struct.pack(">H", len(unit)) + unit for unit in units)


def units(*payloads: bytes, timestamp: int = 0) -> tuple[list[AccessUnit], NalTrack]:
    """The access units of payloads of one timestamp; the last one has the marker."""
    found: list[AccessUnit] = []
    track = NalTrack(96, 90_000, ParameterSets(H265), found.append)
    sender = Sender()
    last = len(payloads) - 1
    batch = split(b"".join(sender.packet(payload, timestamp, n == last) for n, payload in enumerate(payloads)))
    for position in batch.offsets:
        track.packet(batch.data, position)
    return found, track


def session(*, sound: bool = False, sets: tuple[bytes, ...] = ()) -> Session:
    video = Stream("video", "h265", 96, 90_000, 0, sets, "", channel=0)
    audio = Stream("audio", "pcmu", 0, 8000, 2, (), "", channel=2)
    return Session((video, audio) if sound else (video,), name="s1")


def test_an_access_unit_from_single_aggregated_and_fragmented_units() -> None:
    key = nal(19, b"k" * 5000)
    found, track = units(aggregate(VPS, SPS, PPS), bytes((35 << 1, 1, 0x50)), SEI, *fragments(key, 1200))
    assert [unit.payload for unit in found] == [length_form(SEI, key)]
    assert (found[0].key, found[0].crc) == (True, zlib.crc32(key))
    assert track.sets.units == (VPS, SPS, PPS)


@pytest.mark.parametrize(("kind", "key"), [(0, False), (1, False), (9, False), (16, True), (20, True), (21, True)])
def test_key_is_every_irap_picture(kind: int, key: bool) -> None:
    found, _ = units(nal(kind, b"slice"))
    assert [unit.key for unit in found] == [key]


def test_the_crc_is_that_of_all_slices_and_nothing_else() -> None:
    second = nal(1, b"second", first=False)
    found, _ = units(SEI, TRAIL, second, bytes((40 << 1, 1)) + b"suffix")
    assert found[0].crc == zlib.crc32(TRAIL + second)


@pytest.mark.parametrize(
    "payloads",
    [
        [aggregate(VPS, SPS, PPS, IDR)[:-2]],
        [fragments(nal(19, b"k" * 300), 100)[0], fragments(nal(19, b"k" * 300), 100)[0]],
        [fragments(nal(19, b"k" * 300), 100)[1]],
        [IDR, bytes((50 << 1, 1)) + b"paci"],
        [IDR, b"\x62"],
        [bytes((48 << 1, 1))],
    ],
)
def test_damage_is_counted_once_and_gives_no_picture(payloads: list[bytes]) -> None:
    found, track = units(*payloads)
    assert (found, track.damaged) == ([], 1)


def test_units_of_other_layers_are_left_out() -> None:
    found, _ = units(IDR, b"\x26\x09\x80other layer")
    assert [unit.payload for unit in found] == [length_form(IDR)]


def test_dimensions_come_from_the_sps() -> None:
    assert dimensions(SPS) == (640, 360)
    assert dimensions(SPS[:20]) == (0, 0)
    assert [set_id(unit) for unit in (VPS, SPS, PPS)] == [0, 0, 0]
    sps = read_sps(SPS)
    assert (sps.chroma, sps.luma_depth, sps.chroma_depth, sps.sub_layers) == (1, 8, 8, 1)


def test_new_parameter_sets_start_anew_at_a_key_frame() -> None:
    memory, sender = Memory(), Sender()
    parser = SessionParser(session(sets=(VPS, SPS, PPS)), memory)
    other = bytes((*PPS[:-1], 0xC0))
    batch = split(sender.picture([IDR], 0) + sender.picture([other, TRAIL], TICKS) + sender.picture([CRA], 2 * TICKS))
    parser.feed(batch.data, batch.offsets, START_US)
    assert [formats[0].parameter_sets[2] for formats, _ in memory.starts] == [PPS, other]
    assert [(formats[0].codec, formats[0].width) for formats, _ in memory.starts] == [("h265", 640)] * 2


def test_the_ring_starts_at_an_irap_picture_and_keeps_sets_sent_once() -> None:
    ring, held, sender = Ring(seconds=2.0), session(), Sender()
    for n in range(200):
        nals = [CRA if n else IDR] if n % 25 == 0 else [TRAIL]
        batch = split(b"".join([sender.packet(aggregate(VPS, SPS, PPS), n * TICKS, False)] * (n == 0)))
        batch = split(batch.data + sender.picture(nals, n * TICKS))
        ring.append(Chunk(batch.data, held, START_US + n * 40_000, n * 0.04), batch.offsets)
    memory = Memory()
    parser = SessionParser(held, memory)
    for chunk in map(Held.load, ring.drain()):
        parser.feed(chunk.data, split(chunk.data).offsets, chunk.wall_us)
    assert len(memory.video) == 200 - 125
    assert memory.video[0].key


def test_g711_is_taken_as_it_is() -> None:
    memory, video, audio = Memory(), Sender(), Sender(channel=2, payload_type=0)
    parser = SessionParser(session(sound=True, sets=(VPS, SPS, PPS)), memory)
    packets = video.picture([IDR], 0) + audio.packet(b"\xff\x7f" * 160, 800, False)
    batch = split(packets + audio.packet(b"odd", 960, False) + audio.packet(b"\x00\x01" * 80, 1040, True))
    parser.feed(batch.data, batch.offsets, START_US)
    assert [unit.payload for unit in memory.audio] == [b"\xff\x7f" * 160, b"\x00\x01" * 80]
    assert [unit.pts for unit in memory.audio] == [0, 240]
    assert all(unit.crc == zlib.crc32(unit.payload) for unit in memory.audio)
    assert parser.damaged == 1
    formats, _ = memory.starts[0]
    assert (formats[1].codec, formats[1].clock_rate, formats[1].channels) == ("pcmu", 8000, 2)


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=80))
def test_any_parameter_set_is_harmless(body: bytes) -> None:
    for kind in H265.sets:
        dimensions(bytes((kind << 1, 1)) + body)
        set_id(bytes((kind << 1,)) + body)
    unit_kinds(H265, body, 0, len(body))

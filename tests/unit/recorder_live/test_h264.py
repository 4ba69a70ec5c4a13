"""Access units come out of RTP as the camera encoded them; what is damaged never comes out."""

from __future__ import annotations

import zlib

from camera_wire import PPS, SPS, TICKS, Memory, Sender, delta, idr, interleaved, length_form, session, split, stap_a
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.recorder.codec.h264 import dimensions, set_id
from understudy.recorder.codec.nal import H264
from understudy.recorder.ingest.nal import MAX_SET_BYTES, NalTrack, ParameterSets, unit_kinds
from understudy.recorder.ingest.parser import SessionParser
from understudy.recorder.units import AccessUnit

SEI = b"\x06\x05\x02hi\x80"


def units(*packets: bytes) -> tuple[list[AccessUnit], NalTrack]:
    found: list[AccessUnit] = []
    track = NalTrack(96, 90_000, ParameterSets(H264), found.append)
    batch = split(b"".join(packets))
    track.arrival_us = 1_000_000
    for position in batch.offsets:
        track.packet(batch.data, position)
    return found, track


def test_single_and_fragmented_units_make_an_access_unit() -> None:
    key = idr(b"large", 5000)
    found, track = units(Sender().picture([b"\x09\xf0", SPS, PPS, SEI, key], 0), Sender().picture([delta()], TICKS))
    assert found[0].payload == length_form(SEI, key)
    assert found[0].key
    assert found[0].crc == zlib.crc32(key)
    assert track.sets.units == (SPS, PPS)


def test_aggregated_units_make_an_access_unit() -> None:
    found, track = units(Sender().packet(stap_a([SPS, PPS, SEI, idr()]), 0, True))
    assert found[0].payload == length_form(SEI, idr())
    assert track.sets.units == (SPS, PPS)


def test_an_aggregate_that_ends_early_is_damage_and_padding_is_none() -> None:
    sender, cut = Sender(), stap_a([SPS, PPS, SEI, idr(size=90)])[:-20]
    found, track = units(sender.packet(cut, 0, False), sender.packet(delta(b"rest"), 0, True))
    assert (found, track.damaged) == ([], 1)
    found, track = units(Sender().packet(stap_a([SPS, idr()]) + bytes(3), 0, True))
    assert ([unit.payload for unit in found], track.damaged) == ([length_form(idr())], 0)


def test_a_fragmented_unit_without_end_is_damage() -> None:
    sender = Sender()
    pieces = [b"\x7c\x85" + b"k" * 50, b"\x7c\x85" + b"k" * 50, b"\x7c\x45" + b"k" * 50]
    found, track = units(*(sender.packet(piece, 0, piece is pieces[2]) for piece in pieces))
    assert (found, track.damaged) == ([], 1)


def test_slices_in_a_payload_we_do_not_read_are_damage() -> None:
    sender = Sender()
    found, track = units(sender.packet(idr(), 0, False), sender.packet(b"\x7d\x85more", 0, True))
    assert (found, track.damaged) == ([], 1)


def test_a_huge_parameter_set_is_ignored() -> None:
    _, track = units(Sender().picture([SPS, PPS + bytes(MAX_SET_BYTES), idr()], 0))
    assert track.sets.units == (SPS,)


def test_the_crc_is_that_of_the_slices_one_after_the_other() -> None:
    second = b"\x41\x1a second slice"
    found, _ = units(Sender().picture([SEI, delta(), second], 0))
    assert found[0].crc == zlib.crc32(delta() + second)


def test_a_marker_behind_parameter_sets_ends_nothing() -> None:
    sender = Sender()
    found, _ = units(*(sender.packet(nal, 0, True) for nal in (SPS, PPS, SEI, idr())))
    assert [unit.payload for unit in found] == [length_form(SEI, idr())]


def test_a_missing_marker_is_replaced_by_the_next_timestamp() -> None:
    sender = Sender()
    found, _ = units(sender.packet(idr(), 0, False), sender.packet(delta(), TICKS, True))
    assert [unit.pts for unit in found] == [0, TICKS]


def test_a_frame_that_lost_a_packet_is_dropped_and_counted() -> None:
    sender = Sender()
    whole = split(sender.picture([idr(size=2000)], 0))
    damaged = whole.data[: whole.offsets[1]] + whole.data[whole.offsets[2] :]
    found, track = units(damaged, sender.picture([delta()], TICKS))
    assert [unit.key for unit in found] == [False]
    assert (track.damaged, track.lost_packets) == (1, 1)


def test_joining_within_a_frame_waits_for_the_next() -> None:
    sender = Sender()
    first = split(sender.picture([delta(size=2000)], 0))
    found, _ = units(first.data[first.offsets[2] :], sender.picture([delta(b"next")], TICKS))
    assert [unit.payload for unit in found] == [length_form(delta(b"next"))]


def test_a_stale_session_on_the_same_channel_is_ignored() -> None:
    ours, stale = Sender(), Sender(ssrc=99, sequence=4)
    found, track = units(ours.picture([idr()], 0), stale.picture([idr(b"stale")], 77), ours.picture([delta()], TICKS))
    assert [unit.payload for unit in found] == [length_form(idr()), length_form(delta())]
    assert track.lost_packets == 0


def test_rtp_padding_extension_and_sources_are_left_out() -> None:
    header = bytes((0x80 | 0x20 | 0x10 | 1, 0x80 | 96)) + bytes(6) + bytes(4)
    packet = interleaved(0, header + bytes(4) + b"\x00\x00\x00\x01ext!" + idr() + b"\x00\x00\x03")
    found, _ = units(packet)
    assert [unit.payload for unit in found] == [length_form(idr())]


def test_dimensions_come_from_the_parameter_set() -> None:
    assert dimensions(SPS) == (1280, 720)
    assert dimensions(SPS[:6]) == (0, 0)
    assert set_id(SPS) == set_id(PPS) == 0


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=80))
def test_any_parameter_set_is_harmless(body: bytes) -> None:
    dimensions(b"\x67" + body)
    set_id(b"\x67" + body)
    unit_kinds(H264, body, 0, len(body))


payloads = st.lists(
    st.tuples(st.binary(max_size=40), st.integers(0, 2**32 - 1), st.booleans(), st.integers(0, 3)), max_size=20
)


@settings(max_examples=200, deadline=None)
@given(payloads)
def test_any_payload_is_harmless(packets: list[tuple[bytes, int, bool, int]]) -> None:
    sender = Sender()
    stream = b""
    for payload, timestamp, marker, skip in packets:
        sender.sequence = (sender.sequence + skip) & 0xFFFF
        stream += sender.packet(payload, timestamp, marker)
    batch = split(stream)
    memory = Memory()
    SessionParser(session(SPS, PPS), memory).feed(batch.data, batch.offsets, 1_000_000)
    assert len(memory.units) <= 2 * len(packets)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=30)), max_size=20))
def test_any_packet_is_harmless(packets: list[tuple[int, bytes]]) -> None:
    batch = split(b"".join(interleaved(channel, payload) for channel, payload in packets))
    SessionParser(session(sound=True), Memory()).feed(batch.data, batch.offsets, 1_000_000)

"""Sessions: formats, sound, jumps of the camera's clock, capture times."""

from __future__ import annotations

import itertools

import pytest
from camera_wire import (
    ASC,
    PPS,
    SPS,
    TICKS,
    Memory,
    Sender,
    delta,
    idr,
    interleaved,
    session,
    sound,
    split,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.recorder.ingest.clock import CaptureClock
from understudy.recorder.ingest.framing import Framer
from understudy.recorder.ingest.parser import SessionParser
from understudy.recorder.ingest.rtp import parse_sender_report

START_US = 1_795_427_000_000_000


def feed(parser: SessionParser, data: bytes, arrival_us: int = START_US) -> None:
    batch = split(data)
    parser.feed(batch.data, batch.offsets, arrival_us)


def test_a_session_starts_at_the_first_key_frame_with_known_parameter_sets() -> None:
    memory, sender = Memory(), Sender()
    parser = SessionParser(session(), memory)
    feed(parser, sender.picture([idr(b"undecodable")], 0))
    feed(parser, sender.picture([delta()], TICKS))
    feed(parser, sender.picture([SPS, PPS, idr()], 2 * TICKS))
    assert (parser.arrived, parser.written) == (3, 1)
    (formats, name) = memory.starts[0]
    assert name == "s1"
    assert (formats[0].parameter_sets, formats[0].width, formats[0].height) == ((SPS, PPS), 1280, 720)


def test_new_parameter_sets_start_anew_at_a_key_frame() -> None:
    memory, sender = Memory(), Sender()
    parser = SessionParser(session(SPS, PPS), memory)
    other = bytes((*PPS[:-1], 0xC8))
    feed(parser, sender.picture([SPS, PPS, idr()], 0) + sender.picture([other, idr()], TICKS))
    assert [formats[0].parameter_sets for formats, _ in memory.starts] == [(SPS, PPS), (SPS, other)]


def test_sound_comes_with_the_picture() -> None:
    memory, video, audio = Memory(), Sender(), Sender(channel=2, payload_type=97)
    parser = SessionParser(session(SPS, PPS, sound=True), memory)
    feed(parser, audio.packet(sound([b"early"]), 500, True))
    feed(parser, video.picture([idr()], 0))
    feed(parser, audio.packet(sound([b"one", b"two"]), 1524, True))
    assert [unit.payload for unit in memory.audio] == [b"one", b"two"]
    assert [unit.pts for unit in memory.audio] == [1024, 2048]
    assert memory.starts[0][0][1].parameter_sets == (ASC,)


def test_sound_in_pieces_is_put_together() -> None:
    memory, video, audio = Memory(), Sender(), Sender(channel=2, payload_type=97)
    parser = SessionParser(session(SPS, PPS, sound=True), memory)
    frame = bytes(range(200)) * 10
    header = b"\x00\x10" + (len(frame) << 3).to_bytes(2, "big")
    feed(parser, video.picture([idr()], 0))
    feed(parser, audio.packet(header + frame[:1200], 0, False) + audio.packet(header + frame[1200:], 0, True))
    assert [unit.payload for unit in memory.audio] == [frame]


@pytest.mark.parametrize("jump_s", [-20, 3600])
def test_a_jump_of_camera_time_loses_no_frame_and_starts_a_session_at_the_next_key(jump_s: int) -> None:
    memory, sender = Memory(), Sender()
    parser = SessionParser(session(SPS, PPS), memory)
    for index, nal in enumerate([idr(), delta(), delta(), delta(), idr(), delta()]):
        timestamp = index * TICKS + (jump_s * 90_000 if index >= 2 else 0)
        feed(parser, sender.picture([nal], timestamp), START_US + index * 40_000)
    assert [unit.pts for unit in memory.video] == [index * TICKS for index in range(6)]
    assert [name == "s1" for _, name in memory.starts] == [True, False]


def test_times_run_on_through_the_wrap_of_32_bits() -> None:
    memory, sender = Memory(), Sender()
    parser = SessionParser(session(SPS, PPS), memory)
    for index in range(4):
        feed(parser, sender.picture([idr()], 2**32 - TICKS + index * TICKS), START_US + index * 40_000)
    assert [unit.pts for unit in memory.video] == [0, TICKS, 2 * TICKS, 3 * TICKS]
    assert len(memory.starts) == 1


def test_a_new_source_on_the_channel_is_followed_when_the_old_one_is_silent() -> None:
    memory = Memory()
    parser = SessionParser(session(SPS, PPS), memory)
    feed(parser, Sender().picture([idr()], 0))
    feed(parser, Sender(ssrc=8).picture([idr()], 7_000_000), START_US + 2_000_000)
    assert parser.written == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 700), max_size=60), st.binary(max_size=30))
def test_reads_of_any_size_give_the_same_units(sizes: list[int], filling: bytes) -> None:
    sender = Sender(packet_bytes=300)
    nals = [idr(filling, 1000), delta(filling, 700), delta(), idr(filling)]
    stream = b"".join(sender.picture([SPS, PPS, nal], index * TICKS) for index, nal in enumerate(nals))
    found = []
    for pieces in ([], sizes):
        memory, framer, position = Memory(), Framer(), 0
        parser = SessionParser(session(), memory)
        for size in [*pieces, len(stream)]:
            buffer = bytearray(framer.tail + stream[position : position + size])
            position = min(len(stream), position + size)
            batch = framer.split(buffer, len(buffer))
            parser.feed(batch.data, batch.offsets, START_US)
        found.append([unit.payload for unit in memory.video])
    assert found[0] == found[1]
    assert len(found[0]) == 4


def test_sender_reports_are_read() -> None:
    report = bytes((0x80, 200, 0, 6)) + (7).to_bytes(4, "big") + (2_208_988_801).to_bytes(4, "big")
    report += (1 << 31).to_bytes(4, "big") + (1234).to_bytes(4, "big") + bytes(8)
    assert parse_sender_report(report, 500_000) == (7, 1_500_000, 1234, 1_000_000)
    parser = SessionParser(session(), Memory())
    feed(parser, interleaved(1, report) + interleaved(1, b"\x80\xc8"))
    assert parser.sender_report is not None


@pytest.mark.parametrize("drift_ppm", [-300, 0, 300])
def test_capture_time_follows_arrival_within_500_ppm_and_never_runs_back(drift_ppm: int) -> None:
    clock = CaptureClock(90_000)
    times = []
    for index in range(25 * 600):
        true_us = START_US + index * 40_000
        arrival_us = -(-true_us // 50_000) * 50_000 + (70_000 if index % 40 == 0 else 0)
        times.append((clock.wall_us(index * TICKS * (1_000_000 + drift_ppm) // 1_000_000, arrival_us), true_us))
    steps = [after[0] - before[0] for before, after in itertools.pairwise(times)]
    assert all(39_000 < step < 41_000 for step in steps)
    assert max(abs(wall_us - true_us) for wall_us, true_us in times[25 * 300 :]) < 100_000


def test_capture_time_is_not_moved_by_a_burst_after_a_stall() -> None:
    clock = CaptureClock(90_000)
    for index in range(300):
        arrival = max(index, 150) if 100 <= index < 150 else index
        wall_us = clock.wall_us(index * TICKS, START_US + arrival * 40_000)
        assert abs(wall_us - START_US - index * 40_000) < 5_000


def test_capture_time_follows_a_server_clock_that_was_stepped() -> None:
    clock = CaptureClock(90_000)
    for index in range(300):
        step_us = 60_000_000 if index >= 100 else 0
        wall_us = clock.wall_us(index * TICKS, START_US + index * 40_000 + step_us)
    assert wall_us == pytest.approx(START_US + 299 * 40_000 + 60_000_000, abs=100_000)
    assert not clock.set_back
    assert clock.wall_us(300 * TICKS, START_US) == wall_us + 1
    assert clock.set_back
    clock.forget()
    assert clock.wall_us(301 * TICKS, START_US + 40_000) == START_US + 40_000


@given(st.lists(st.tuples(st.integers(0, 120), st.sampled_from(["drop", "twice", "swap", "flip", "cut"])), max_size=6))
@settings(max_examples=60, deadline=None)
def test_packets_taken_in_one_go_and_one_by_one_make_the_same_of_any_damage(harm: list[tuple[int, str]]) -> None:
    sender, audio = Sender(), Sender(channel=2, payload_type=97)
    stream = b"".join(
        sender.picture([idr(size=12_000)] if not n % 4 else [delta(size=9_000)], n * TICKS)
        + audio.packet(sound([b"frame"]), n * 1024, True)
        for n in range(12)
    )
    packets = [stream[at:end] for at, end in itertools.pairwise([*split(stream).offsets, len(stream)])]
    for where, how in harm:
        at = where % (len(packets) - 1)
        packet = packets[at]
        if how == "swap":
            packets[at : at + 2] = packets[at + 1], packet
        else:
            bit = 4 + where % (len(packet) - 4) % 16 if len(packet) > 4 else 1
            flipped = packet[:bit] + bytes((packet[bit] ^ 1,)) + packet[bit + 1 :]
            cut = b"$" + packet[1:2] + (where % 15).to_bytes(2, "big") + packet[4 : 4 + where % 15]
            packets[at : at + 1] = {"drop": [], "twice": [packet, packet], "flip": [flipped], "cut": [cut]}[how]
    found = []
    for reads in ([b"".join(packets)], packets):
        memory = Memory()
        parser = SessionParser(session(SPS, PPS, sound=True), memory)
        for read in reads:
            feed(parser, read)
        formats = [formats for formats, _ in memory.starts]  # the names of sessions are random
        found.append((memory.units, formats, parser.damaged, parser.lost_packets, parser.arrived))
    assert found[0] == found[1]

"""What is written can be read back, frame for frame, and played; whatever else is in a file does no harm."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media import EPOCH_US, audio, decode, decode_units, g711, video
from understudy.footage.model import SegmentHeader, SegmentIndex
from understudy.recorder.fmp4.fragment import MAX_FRAMES, Fragmenter, Part
from understudy.recorder.fmp4.init import init_section
from understudy.recorder.fmp4.scan import header, scan
from understudy.recorder.units import AccessUnit, Codec, Format

HEADER = SegmentHeader(
    logical="north",
    camera=1,
    track="main",
    stream="video",
    codec="h264",
    clock_rate=90_000,
    recorder="rec1",
    session="s1",
    start_us=EPOCH_US,
)


def parts_of(format: Format, units: Sequence[AccessUnit]) -> list[Part]:
    fragmenter = Fragmenter(format)
    parts = [fragmenter.add(unit) for unit in units]
    parts.append(fragmenter.flush())
    return [part for part in parts if part is not None]


def write(path: Path, format: Format, units: Sequence[AccessUnit]) -> SegmentIndex:
    header = msgspec.structs.replace(HEADER, stream=format.kind, codec=format.codec, clock_rate=format.clock_rate)
    content = init_section(header, format) + b"".join(b"".join(part.buffers) for part in parts_of(format, units))
    path.write_bytes(content)
    index = scan(path)
    assert index.whole_size == len(content)
    return index


def assert_holds(index: SegmentIndex, path: Path, units: Sequence[AccessUnit]) -> None:
    content = path.read_bytes()
    assert [(f.crc, f.wall_us, f.key, f.dts + f.cts) for f in index.frames] == [
        (u.crc, u.wall_us, u.key, u.pts) for u in units
    ]
    assert [content[f.offset : f.offset + f.size] for f in index.frames] == [u.payload for u in units]
    times = [f.dts for f in index.frames]
    assert all(a < b for a, b in itertools.pairwise(times))


@pytest.mark.parametrize("b_frames", [0, 3])
def test_video_is_read_back_and_decodes_to_the_same_pictures(tmp_path: Path, b_frames: int) -> None:
    format, units = video(4, gop=50, b_frames=b_frames)
    assert any(a.pts > b.pts for a, b in itertools.pairwise(units)) == bool(b_frames)
    path = tmp_path / "a.v.mp4"
    index = write(path, format, units)
    assert_holds(index, path, units)
    assert decode(path) == decode_units(format, units)
    assert header(path) == index.header == HEADER


def test_audio_is_read_back_and_decodes_to_the_same_sound(tmp_path: Path) -> None:
    format, units = audio(3)
    path = tmp_path / "a.a.mp4"
    index = write(path, format, units)
    assert_holds(index, path, units)
    assert decode(path) == decode_units(format, units)
    assert len(index.parts) == 4  # 3 s and the encoder's own delay


@pytest.mark.parametrize("b_frames", [0, 3])
def test_h265_is_read_back_and_decodes_to_the_same_pictures(tmp_path: Path, b_frames: int) -> None:
    format, units = video(4, gop=50, b_frames=b_frames, codec="h265")
    path = tmp_path / "a.v.mp4"
    index = write(path, format, units)
    assert_holds(index, path, units)
    assert decode(path) == decode_units(format, units)
    assert (index.header.codec, len([frame for frame in index.frames if frame.key])) == ("h265", 2)


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_g711_is_read_back_byte_for_byte_and_decodes_to_the_same_sound(tmp_path: Path, law: Codec) -> None:
    format, units = g711(3, law=law)
    path = tmp_path / "a.a.mp4"
    index = write(path, format, units)
    assert_holds(index, path, units)
    assert b"".join(decode(path)) == b"".join(decode_units(format, units))
    assert [len(frames) for frames in (index.parts, index.frames)] == [3, 150]
    assert [frame.dts for frame in index.frames] == [unit.pts for unit in units]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_h265_without_a_parameter_set_is_refused(missing: int) -> None:
    format, _ = video(codec="h265")
    sets = tuple(unit for number, unit in enumerate(format.parameter_sets) if number != missing)
    with pytest.raises(ValueError, match=r"H\.265 needs"):
        init_section(HEADER, dataclasses.replace(format, parameter_sets=sets))


def test_parts_last_a_second_at_most_and_begin_at_key_frames(tmp_path: Path) -> None:
    format, units = video(6, gop=40)
    index = write(tmp_path / "a.v.mp4", format, units)
    assert len(index.parts) == 8  # 25 + 15 frames, four times; the last is cut short
    by_part = [[f for f in index.frames if p < f.offset < p + size] for p, size in index.parts]
    assert [len(frames) for frames in by_part] == [25, 15, 25, 15, 25, 15, 25, 5]
    assert [frames[0].key for frames in by_part] == [True, False] * 4
    assert sum(frame.key for frame in index.frames) == 4


def test_a_frame_lasts_until_the_next_also_over_parts(tmp_path: Path) -> None:
    format, units = video(3)
    uneven = [
        AccessUnit(unit.pts + (number % 3) * 100, unit.wall_us, unit.key, unit.payload, unit.crc)
        for number, unit in enumerate(units)
    ]
    index = write(tmp_path / "a.v.mp4", format, uneven)
    assert [frame.dts for frame in index.frames] == [unit.pts for unit in uneven]
    assert all(frame.cts == 0 for frame in index.frames)


def test_a_part_never_takes_more_buffers_than_one_writev() -> None:
    format, _ = video()
    units = [AccessUnit(0, EPOCH_US, False, b"x", 0) for _ in range(2500)]
    parts = parts_of(format, units)
    assert sum(len(part.payloads) for part in parts) == 2500
    assert max(len(part.buffers) for part in parts) == MAX_FRAMES + 1 <= 1024


def test_s08_a_file_cut_at_any_byte_of_its_last_part_keeps_every_part_before(tmp_path: Path) -> None:
    format, units = video(3)
    path = tmp_path / "a.v.mp4"
    full = write(path, format, units)
    content = path.read_bytes()
    last = full.parts[-1][0]
    torn = tmp_path / "torn.v.mp4"
    torn.write_bytes(content)
    for length in range(len(content) - 1, last - 1, -1):
        with torn.open("r+b") as file:
            file.truncate(length)
        index = scan(torn)
        assert index.whole_size == last, f"cut at byte {length}"
        assert index.parts == full.parts[:-1]
        assert index.frames == full.frames[:50]


@pytest.mark.parametrize("tail", [bytes(5000), b"\xff" * 5000, b"\0\0\0\x08free" * 10, b"\0\0\0\0mdat"])
def test_what_follows_the_last_whole_part_is_measured(tmp_path: Path, tail: bytes) -> None:
    format, units = video(1)
    path = tmp_path / "a.v.mp4"
    index = write(path, format, units)
    with path.open("ab") as file:
        file.write(tail)
    assert scan(path) == index


@pytest.mark.parametrize("content", [b"", b"hello", bytes(100_000), b"\0\0\0\x18ftypiso6" + bytes(100)])
def test_what_is_no_segment_of_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.v.mp4"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a segment of ours"):
        scan(path)
    with pytest.raises(ValueError, match="not a segment of ours"):
        header(path)


_UNIT = st.builds(
    AccessUnit,
    pts=st.integers(0, 2**40).map(lambda pts: pts),
    wall_us=st.integers(-(2**62), 2**62),
    key=st.booleans(),
    payload=st.binary(max_size=20),
    crc=st.integers(0, 2**32 - 1),
)


@settings(max_examples=80, deadline=None)
@given(steps=st.lists(st.integers(-400_000, 5_000_000), max_size=60), seeds=st.lists(_UNIT, min_size=60, max_size=60))
def test_any_presentation_times_are_kept_and_decode_times_grow(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], seeds: list[AccessUnit]
) -> None:
    pts, units = 10_000_000, []
    for step, seed in zip(steps, seeds, strict=False):
        pts = max(pts + step, 0)
        units.append(AccessUnit(pts, seed.wall_us, seed.key, seed.payload, seed.crc))
    path = tmp_path_factory.getbasetemp() / "any.v.mp4"
    index = write(path, video()[0], units)
    assert_holds(index, path, units)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_s08_damaged_bytes_never_crash_the_scan(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    format, units = video(2)
    path = tmp_path_factory.getbasetemp() / "damaged.v.mp4"
    whole = write(path, format, units)
    content = bytearray(path.read_bytes())
    heads = [whole.init_size // 2, *(offset + 300 for offset, _ in whole.parts)]
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.sampled_from(heads)) + data.draw(st.integers(-300, 900))
        content[max(place, 0) % len(content)] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        index = scan(path)
    except ValueError:
        return
    assert index.whole_size <= len(content)
    assert all(frame.offset >= 0 and frame.offset + frame.size <= index.whole_size for frame in index.frames)

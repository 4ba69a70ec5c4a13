"""Tracks become segments: where they begin, what is in them, what the catalogue says of them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from letters import feed, later, store, wait_until, writer
from media import EPOCH_US, audio, decode, decode_units, video
from understudy.footage.model import Segment
from understudy.recorder.fmp4.scan import scan
from understudy.recorder.segments import Store
from understudy.recorder.units import AccessUnit, Format


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[Store]:
    made = store(tmp_path)
    made.start()
    yield made
    made.close()


def rows(store: Store, stream: str = "video") -> list[Segment]:
    assert store.rows.flush()
    return [row for row in store.catalogue.segments("north") if row.stream == stream]


def drained(store: Store) -> None:
    wait_until(lambda: store._volumes["C"]._queued_bytes == 0 and not store._volumes["C"]._queue, "the queue is empty")
    wait_until(lambda: not store._volumes["C"].live, "all files are closed")


def two_minutes() -> tuple[Format, list[AccessUnit]]:
    """2 min 10 s of video with a key frame every 2 s, made of one 10 s recording over and over."""
    format, units = video(10, gop=50)
    return format, [unit for turn in range(13) for unit in later(units, 10 * turn)]


def test_s10_what_is_recorded_for_another_home_is_hashed_as_it_is_written(tmp_path: Path) -> None:
    elsewhere = store(tmp_path, home="rec2")
    elsewhere.start()
    try:
        format, units = two_minutes()
        track = writer(elsewhere)
        track.start((format,), "s1")
        feed(track, ("video", units))
        track.close()
        drained(elsewhere)
        found = rows(elsewhere)
        assert len(found) == 3
        for row in found:
            assert row.sha256 == hashlib.sha256((tmp_path / "C" / row.path).read_bytes()).hexdigest()
    finally:
        elsewhere.close()


def test_s07_video_and_sound_become_segments_of_a_minute_that_play(tmp_path: Path, disks: Store) -> None:
    format, units = two_minutes()
    sound_format, sound = audio(130)
    track = writer(disks)
    track.start((format, sound_format), "s1")
    feed(track, ("video", units), ("audio", sound))
    track.close()
    drained(disks)
    found = rows(disks)
    assert [row.path for row in found] == [
        f"north/001/main/20261123/10{minute}00.000_rec1.v.mp4" for minute in ("00", "01", "02")
    ]
    assert [row.frames for row in found] == [1500, 1500, 250]
    assert [(row.start_us - EPOCH_US) // 1_000_000 for row in found] == [0, 60, 120]
    assert {(row.state, row.holder, row.recorder, row.session) for row in found} == {("closed", "rec1", "rec1", "s1")}
    indexes = [scan(tmp_path / "C" / row.path) for row in found]
    assert [frame.crc for index in indexes for frame in index.frames] == [unit.crc for unit in units]
    assert [frame.dts for index in indexes for frame in index.frames] == [unit.pts for unit in units]
    for row, index in zip(found, indexes, strict=True):
        content = (tmp_path / "C" / row.path).read_bytes()
        assert (row.bytes, row.sha256) == (len(content), "")  # at home: nobody will ask for its hash
        assert (row.end_us, row.start_us) == (index.frames[-1].wall_us, index.frames[0].wall_us)
        assert all(size < 200_000 for _, size in index.parts)
    assert decode(tmp_path / "C" / found[2].path) == decode_units(format, tuple(units[3000:]))

    heard = rows(disks, "audio")
    assert len(heard) == 3
    # Sound is cut where the picture is: the first frame that begins there or later.
    for picture, tone in zip(found, heard, strict=True):
        assert 0 <= tone.start_us - picture.start_us < 64_000
    kept = [frame.crc for row in heard for frame in scan(tmp_path / "C" / row.path).frames]
    assert kept == [unit.crc for unit in sound]
    assert (track.frames_written, track.error) == (3250, None)
    assert (track.first_frame_wall_us, track.last_frame_wall_us) == (units[0].wall_us, units[-1].wall_us)


def test_s06_recording_begins_at_a_key_frame_and_sound_with_it(tmp_path: Path, disks: Store) -> None:
    format, units = video(4, gop=50)
    sound_format, sound = audio(4)
    track = writer(disks)
    track.start((format, sound_format), "s1")
    feed(track, ("video", units[10:]), ("audio", sound))
    track.close()
    drained(disks)
    (picture,), (tone,) = rows(disks), rows(disks, "audio")
    assert (picture.frames, picture.start_us) == (50, units[50].wall_us)
    assert 0 <= tone.start_us - picture.start_us < 64_000
    assert track.frames_dropped == 0


def test_f09_an_open_segment_has_a_row_and_is_readable_while_it_grows(tmp_path: Path, disks: Store) -> None:
    format, units = video(6)
    track = writer(disks)
    track.start((format,), "s1")
    feed(track, ("video", units[:60]))
    wait_until(lambda: track.frames_written == 50, "two parts are written")
    (row,) = rows(disks)
    assert (row.state, row.frames, row.sha256) == ("open", 25, "")
    index = scan(tmp_path / "C" / row.path)
    assert len(index.frames) == 50
    feed(track, ("video", units[60:]))
    wait_until(lambda: track.frames_written == 125, "five parts are written")
    (row,) = rows(disks)
    assert row.frames >= 75
    track.close()
    drained(disks)
    (row,) = rows(disks)
    assert (row.state, row.frames) == ("closed", 150)


def test_frames_that_stand_still_are_written_within_a_second(disks: Store) -> None:
    format, units = video(1)
    track = writer(disks)
    track.start((format,), "s1")
    for unit in units[:5]:
        track.write("video", unit)
    track.tick(units[0].wall_us + 900_000)
    drained_frames = track.frames_written
    track.tick(units[0].wall_us + 1_000_000)
    wait_until(lambda: track.frames_written == 5, "the part is written")
    assert drained_frames == 0
    track.close()


def test_a_new_session_and_a_new_format_begin_new_segments(disks: Store) -> None:
    format, units = video(5)
    track = writer(disks)
    track.start((format,), "s1")
    feed(track, ("video", units[:30]))
    track.start((format,), "s2")
    feed(track, ("video", units[30:80]))
    track.start((dataclasses.replace(format, width=320),), "s2")
    feed(track, ("video", units[80:]))
    track.close()
    drained(disks)
    assert [(row.session, row.frames) for row in rows(disks)] == [("s1", 30), ("s2", 30), ("s2", 25)]


def test_a_ring_written_twice_makes_two_files(disks: Store) -> None:
    format, units = video(2)
    for session in ("s1", "s2"):
        track = writer(disks)
        track.start((format,), session)
        feed(track, ("video", units))
        track.close()
    drained(disks)
    found = rows(disks)
    names = [row.path.rpartition("/")[2] for row in found]
    assert names == ["100000.000_rec1.v.mp4", "100000.001_rec1.v.mp4"]
    assert [row.start_us for row in found] == [EPOCH_US, EPOCH_US]


def test_times_that_step_back_go_on_in_a_session_of_their_own(disks: Store) -> None:
    format, units = video(2)
    jumped = [dataclasses.replace(unit, pts=unit.pts + 20 * 90_000) for unit in units]
    track = writer(disks)
    track.start((format,), "s1")
    feed(track, ("video", jumped), ("video", later([dataclasses.replace(u, pts=u.pts - 180_000) for u in units], 2)))
    track.close()
    drained(disks)
    assert [(row.session, row.frames) for row in rows(disks)] == [("s1", 50), ("s1.1", 50)]


def test_a_format_no_decoder_could_use_is_told_and_costs_no_more(disks: Store) -> None:
    format, units = video(2)
    track = writer(disks)
    track.start((dataclasses.replace(format, parameter_sets=()),), "s1")
    feed(track, ("video", units))
    assert track.error == "H.264 needs 1-31 SPS and 1-255 PPS; there are 0 and 0"
    track.start((format,), "s1")
    feed(track, ("video", units))
    track.close()
    drained(disks)
    assert (track.error, len(rows(disks))) == (None, 1)


def test_sound_alone_is_cut_by_itself(disks: Store) -> None:
    format, units = audio(130)
    track = writer(disks)
    track.start((format,), "s1")
    feed(track, ("audio", units))
    track.close()
    drained(disks)
    assert [round((row.end_us - row.start_us) / 1e6) for row in rows(disks, "audio")] == [60, 60, 10]
    assert track.frames_written == len(units)


def test_s25_a_letter_this_server_does_not_have_is_told(disks: Store) -> None:
    format, units = video(2)
    track = writer(disks, "E")
    track.start((format,), "s1")
    feed(track, ("video", units))
    track.close()
    assert track.error == "disk E is not one of this server's"
    assert (track.frames_written, track.frames_dropped) == (0, 50)


def test_a_name_that_leads_out_of_the_letter_writes_nothing(tmp_path: Path, disks: Store) -> None:
    format, units = video(2)
    track = writer(disks)
    track._logical = ".."
    track.start((format,), "s1")
    feed(track, ("video", units))
    assert track.error is not None
    assert "is no path of a segment" in track.error
    track.close()
    assert not list((tmp_path / "C").rglob("*.mp4"))


def test_a_damaged_catalogue_is_put_aside_and_made_from_the_files(tmp_path: Path) -> None:
    first = store(tmp_path)
    first.start()
    format, units = video(2)
    track = writer(first)
    track.start((format,), "s1")
    feed(track, ("video", units))
    track.close()
    drained(first)
    (row,) = rows(first)
    first.close()
    (tmp_path / "state" / "catalogue.db").write_bytes(b"rubbish" * 1000)
    again = store(tmp_path)
    again.start()
    content = (tmp_path / "C" / row.path).read_bytes()
    whole = msgspec.structs.replace(row, sha256=hashlib.sha256(content).hexdigest())
    wait_until(lambda: again.catalogue.segments("north") == [whole], "the row is back")
    again.close()
    assert (tmp_path / "state" / "catalogue.damaged").exists()

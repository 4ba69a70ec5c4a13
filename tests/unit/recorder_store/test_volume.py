"""A disk letter that is missing, full, read-only, failing or hung: told as such, and never another letter's trouble."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from letters import feed, later, store, wait_until, writer
from media import video
from understudy.recorder import segment_file, volume
from understudy.recorder.fmp4.scan import scan
from understudy.recorder.segments import Store, TrackWriter
from understudy.recorder.volume import Volume


class Trouble:
    """Makes system calls of the store fail or hang, for files of one letter or for all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error = 0
        self.letter = ""
        self.short = False
        self.hang: threading.Event | None = None
        self._writev = os.writev
        monkeypatch.setattr(segment_file.os, "writev", self.writev)
        monkeypatch.setattr(volume, "syncfs", lambda descriptor: self._meet(descriptor))
        monkeypatch.setattr(volume, "_probe", lambda descriptor: self._meet(descriptor))

    def writev(self, descriptor: int, buffers: list[bytes]) -> int:
        if self.short:
            return self._writev(descriptor, [b"".join(buffers)[:100]])
        self._meet(descriptor)
        return self._writev(descriptor, buffers)

    def _meet(self, descriptor: int) -> None:
        if f"/{self.letter}" not in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            return
        if self.hang is not None:
            self.hang.wait(30)
        if self.error:
            raise OSError(self.error, os.strerror(self.error))


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch) -> Trouble:
    return Trouble(monkeypatch)


@pytest.fixture
def disks(tmp_path: Path, trouble: Trouble) -> Iterator[Store]:
    made = store(tmp_path, letters="CD", sync_s=0.05)
    made.start()
    yield made
    if trouble.hang is not None:
        trouble.hang.set()
    made.close()


def recording(disks: Store, letter: str = "C", session: str = "s1") -> TrackWriter:
    track = writer(disks, letter)
    track.start((video(10)[0],), session)
    return track


def test_s17_a_bare_mount_point_is_missing_and_nothing_is_written_there(tmp_path: Path) -> None:
    bare = Volume("C", tmp_path, require_mount=True)
    bare.start()
    ran = threading.Event()

    def job() -> None:
        with bare.root():
            ran.set()

    assert bare.submit(job, 1)
    bare.close()
    assert bare.state().state == "missing"
    assert bare.state().error == "no disk is mounted there"
    assert not ran.is_set()
    assert not list(tmp_path.iterdir())


def test_s17_no_directory_at_all_is_missing(tmp_path: Path) -> None:
    absent = Volume("C", tmp_path / "absent")
    absent.start()
    absent.close()
    assert (absent.state().state, absent.usable) == ("missing", False)
    assert not (tmp_path / "absent").exists()


def test_a_mounted_disk_is_ok_and_measured() -> None:
    # /dev/shm is a mount point on every Linux; nothing is written there but the probe
    disk = Volume("C", Path("/dev/shm"))
    disk.start()
    state = disk.state()
    disk.close()
    assert (state.state, state.error) == ("ok", None)
    assert 0 < state.free_bytes <= state.total_bytes


def test_s17_recording_goes_on_in_a_new_segment_when_the_disk_is_back(tmp_path: Path, disks: Store) -> None:
    _, units = video(10)
    track = recording(disks)
    feed(track, ("video", units[:60]))
    wait_until(lambda: track.frames_written == 50, "two parts are written")
    (tmp_path / "C").rename(tmp_path / "pulled")
    wait_until(lambda: disks.disks()["C"].state == "missing", "the disk is missed")
    feed(track, ("video", units[60:110]))
    assert track.error == "disk C is missing: there is no such directory"
    assert not (tmp_path / "C").exists()
    (tmp_path / "pulled").rename(tmp_path / "C")
    wait_until(lambda: disks.disks()["C"].state == "ok", "the disk is back")
    feed(track, ("video", units[110:]))
    track.close()
    wait_until(lambda: len(_closed(disks)) == 2, "both segments are closed", 20)
    before, after = (scan(tmp_path / "C" / row.path) for row in _closed(disks))
    assert [f.crc for f in before.frames][:50] == [u.crc for u in units[:50]]
    assert [f.crc for f in after.frames] == [u.crc for u in units[125:]]
    assert track.frames_dropped > 0
    assert track.error is None


def _closed(disks: Store) -> list[Any]:
    assert disks.rows.flush()
    return [row for row in disks.catalogue.segments("north") if row.state == "closed"]


@pytest.mark.parametrize(
    ("number", "state"), [(errno.ENOSPC, "full"), (errno.EROFS, "read-only"), (errno.EIO, "error")]
)
def test_s57_a_failing_write_is_the_letters_state_until_it_is_over(
    tmp_path: Path, disks: Store, trouble: Trouble, number: int, state: str
) -> None:
    _, units = video(10)
    track, neighbour = recording(disks), recording(disks, "D")
    feed(track, ("video", units[:60]))
    wait_until(lambda: track.frames_written == 50, "two parts are written")
    trouble.letter, trouble.error = "C", number
    feed(track, ("video", units[60:110]))
    wait_until(lambda: disks.disks()["C"].state == state, f"the letter is {state}")
    feed(neighbour, ("video", units[:110]))
    wait_until(lambda: neighbour.frames_written == 100, "the other letter records")
    assert disks.disks()["D"].state == "ok"
    assert os.strerror(number) in (track.error or "")
    trouble.error = 0
    wait_until(lambda: disks.disks()["C"].state == "ok", "it is over")
    feed(track, ("video", units[110:]))
    track.close()
    neighbour.close()
    wait_until(lambda: len([r for r in _closed(disks) if r.disk == "C"]) == 2, "both segments are closed", 20)
    before, after = [scan(tmp_path / "C" / row.path) for row in _closed(disks) if row.disk == "C"]
    assert [f.crc for f in before.frames] == [u.crc for u in units[:50]]
    assert [f.crc for f in after.frames] == [u.crc for u in units[125:]]


def test_a_write_cut_short_by_a_full_disk_leaves_whole_parts_only(
    tmp_path: Path, disks: Store, trouble: Trouble
) -> None:
    _, units = video(10)
    track = recording(disks)
    feed(track, ("video", units[:60]))
    wait_until(lambda: track.frames_written == 50, "two parts are written")
    trouble.short = True
    feed(track, ("video", units[60:90]))
    track.close()
    wait_until(lambda: len(_closed(disks)) == 1, "the segment is closed")
    (row,) = _closed(disks)
    assert (row.frames, row.bytes) == (50, (tmp_path / "C" / row.path).stat().st_size)
    assert scan(tmp_path / "C" / row.path).whole_size == row.bytes


def test_a_first_part_that_does_not_fit_leaves_no_file(tmp_path: Path, disks: Store, trouble: Trouble) -> None:
    trouble.short = True
    track = recording(disks)
    feed(track, ("video", video(10)[1][:60]))
    wait_until(lambda: track.error is not None, "the trouble is told")
    track.close()
    wait_until(lambda: not disks._volumes["C"].live, "the file is given up")
    assert not list((tmp_path / "C").rglob("*.mp4"))


def test_a_hung_disk_is_told_blocks_nobody_and_goes_on_afterwards(
    tmp_path: Path, disks: Store, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volume, "HUNG_S", 0.3)
    _, units = video(10)
    trouble.letter, trouble.hang = "C", threading.Event()
    track, neighbour = recording(disks), recording(disks, "D")
    feed(track, ("video", units[:110]))
    feed(neighbour, ("video", units[:110]))
    wait_until(lambda: disks.disks()["C"].state == "hung", "it is hung")
    wait_until(lambda: neighbour.frames_written == 100, "the other letter records")
    assert "hung: has not answered" in (track.error or "")
    assert track.frames_written == 0
    trouble.hang.set()
    wait_until(lambda: track.frames_written == 100, "nothing of the queue is lost")
    assert disks.disks()["C"].state == "ok"
    track.close()
    neighbour.close()


def test_a_full_queue_refuses_counts_and_ends_the_segment(disks: Store, trouble: Trouble) -> None:
    _, units = video(10)
    disk = disks._volumes["C"]
    disk._limit = 30_000
    trouble.letter, trouble.hang = "C", threading.Event()
    track = recording(disks)
    for turn in range(3):
        feed(track, ("video", later(units, 10 * turn)))
    assert track.error is not None
    assert track.frames_dropped > 0
    assert disk.refused > 0
    assert disk._queued_bytes <= 30_000
    trouble.hang.set()
    wait_until(lambda: disk.room_bytes == 30_000, "the queue is worked off")
    feed(track, ("video", later(units[:60], 30)))
    wait_until(lambda: track.error is None or track.frames_written > 0, "it records again")
    track.close()
    wait_until(lambda: len(_closed(disks)) >= 2, "the first and the last segment are closed")


def test_a_job_that_goes_wrong_does_not_stop_the_letter(disks: Store) -> None:
    disk = disks._volumes["C"]
    done = threading.Event()
    disk.submit(lambda: 1 // 0, 0)  # type: ignore[arg-type, return-value]
    disk.submit(done.set, 0)
    assert done.wait(5)

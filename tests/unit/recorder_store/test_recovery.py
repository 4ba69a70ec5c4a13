"""After a crash at any byte the catalogue says what is on the disks: no less, no more."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from letters import feed, later, store, wait_until, writer
from media import audio, video
from understudy.footage.catalogue import Catalogue
from understudy.footage.model import Segment
from understudy.recorder.fmp4.scan import scan
from understudy.recorder.recover import Finding, Place, apply, check, check_letter, recover
from understudy.recorder.volume import DiskMissingError


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a recorder that ended well left: `C` and `state`, two tracks' worth of closed segments."""
    root = tmp_path_factory.mktemp("recorded")
    made = store(root, home="rec2")  # so that the rows have hashes
    made.start()
    (format, units), (sound_format, sound) = video(10), audio(70)
    track = writer(made)
    track.start((format, sound_format), "s1")
    feed(track, ("video", [u for turn in range(7) for u in later(units, 10 * turn)]), ("audio", sound))
    track.close()
    made.close()
    return root


@pytest.fixture
def site(recorded: Path, tmp_path: Path) -> Path:
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    return tmp_path


@contextmanager
def place(site: Path, **options: float) -> Iterator[Place]:
    root = os.open(site / "C", os.O_RDONLY | os.O_DIRECTORY)
    yield Place("rec1", "C", site / "C", root, **options)
    os.close(root)


def repair(site: Path, catalogue: Catalogue) -> list[Finding]:
    found = []
    with place(site) as here:
        for finding in recover(here, catalogue):
            found.append(finding)
            apply(here, catalogue, finding)
        assert list(check(here, catalogue)) == [], "nothing is left to repair"
    return found


def test_after_a_clean_end_there_is_nothing_to_do(site: Path) -> None:
    catalogue = Catalogue(site / "state" / "catalogue.db")
    assert len(catalogue.segments("north")) == 4
    assert repair(site, catalogue) == []


def test_a_lost_catalogue_is_rebuilt_to_the_same_rows(site: Path) -> None:
    rows = Catalogue(site / "state" / "catalogue.db").segments("north")
    fresh = Catalogue(site / "fresh.db")
    assert {finding.what for finding in repair(site, fresh)} == {"no row"}
    assert fresh.segments("north") == rows


def test_s17_a_crash_at_any_byte_of_the_last_part_leaves_whole_parts_and_a_true_row(site: Path) -> None:
    catalogue = Catalogue(site / "state" / "catalogue.db")
    row = catalogue.segments("north", stream="video")[-1]
    path = site / "C" / row.path
    content = path.read_bytes()
    whole = scan(path)
    last, size = whole.parts[-1]
    opened = msgspec.structs.replace(row, state="open", frames=25, bytes=1, end_us=row.start_us, sha256="")
    expected = None
    step = 29  # every byte is scanned in test_fmp4; here some are also recovered
    for length in [last, *range(last + 1, last + size, step)]:
        path.write_bytes(content[:length])
        catalogue.put([opened])
        (finding,) = repair(site, catalogue)
        assert (finding.cut_to, path.stat().st_size) == (last if length > last else None, last), f"cut at {length}"
        after = catalogue.segment(row.id)
        expected = expected or after
        assert after == expected
    assert expected is not None
    assert (expected.state, expected.bytes, expected.frames) == ("closed", last, len(whole.frames) - 25)


@pytest.mark.parametrize("length", [0, 1, 700])
def test_a_file_torn_before_its_first_part_goes_with_its_row(site: Path, length: int) -> None:
    catalogue = Catalogue(site / "state" / "catalogue.db")
    row = catalogue.segments("north", stream="video")[0]
    catalogue.put([msgspec.structs.replace(row, state="open")])
    path = site / "C" / row.path
    os.truncate(path, length)
    assert [finding.id for finding in repair(site, catalogue)] == [row.id]
    assert not path.exists()
    assert catalogue.segment(row.id) is None


def test_a_power_cut_that_kept_sizes_and_lost_pictures_costs_those_parts(site: Path) -> None:
    catalogue = Catalogue(site / "state" / "catalogue.db")
    row = catalogue.segments("north", stream="video")[0]
    catalogue.put([msgspec.structs.replace(row, state="open")])
    path = site / "C" / row.path
    whole = scan(path)
    frame = whole.frames[-60]  # in the third part from the end
    with path.open("r+b") as file:
        file.seek(frame.offset + 8)
        file.write(bytes(path.stat().st_size - frame.offset - 8))
    repair(site, catalogue)
    after = catalogue.segment(row.id)
    assert after is not None
    assert after.bytes == path.stat().st_size == whole.parts[-3][0]
    assert after.frames == len(whole.frames) - 75


def test_damage_in_the_middle_is_told_and_not_touched(site: Path) -> None:
    catalogue = Catalogue(site / "fresh.db")
    path = sorted((site / "C").rglob("*.v.mp4"))[0]
    whole = scan(path)
    with path.open("r+b") as file:
        file.seek(whole.parts[10][0] + 4)
        file.write(b"rot!")
    content = path.read_bytes()
    found = {finding.id: finding.what for finding in repair(site, catalogue)}
    id = f"rec1/{path.relative_to(site / 'C')}"
    assert found[id] == f"damaged at byte {whole.parts[10][0]}: kept as it is"
    assert path.read_bytes() == content
    row = catalogue.segment(id)
    assert row is not None
    assert (row.bytes, row.frames) == (len(content), 250)


def test_a_row_whose_file_is_gone_is_forgotten(site: Path) -> None:
    catalogue = Catalogue(site / "state" / "catalogue.db")
    rows = catalogue.segments("north")
    (site / "C" / rows[0].path).unlink()
    redirected = msgspec.structs.replace(rows[0], id="stby1/x", path="x", holder="stby1", recorder="stby1")
    catalogue.put([redirected])
    (finding,) = repair(site, catalogue)
    assert (finding.id, finding.what) == (rows[0].id, "the file is gone")
    assert catalogue.segments("north", holder="rec1") == rows[1:]
    assert catalogue.segment("stby1/x") == redirected


def test_rows_of_a_whole_track_that_is_gone_are_forgotten(site: Path) -> None:
    catalogue = Catalogue(site / "state" / "catalogue.db")
    shutil.rmtree(site / "C" / "north")
    assert len(repair(site, catalogue)) == 4
    assert catalogue.segments("north") == []


def test_a_closed_row_that_promises_more_than_is_on_the_disk_is_put_right(site: Path) -> None:
    catalogue = Catalogue(site / "state" / "catalogue.db")
    row = catalogue.segments("north", stream="video")[0]
    os.truncate(site / "C" / row.path, row.bytes - 100)
    (finding,) = repair(site, catalogue)
    assert finding.what.startswith("torn tail of")
    after = catalogue.segment(row.id)
    assert after is not None
    assert after.bytes < row.bytes
    assert after.sha256 != row.sha256


def test_what_is_not_ours_is_left_alone(site: Path) -> None:
    catalogue = Catalogue(site / "state" / "catalogue.db")
    day = next((site / "C").rglob("*.v.mp4")).parent
    strange = {
        day / "100000.000_rec1.v.mp4.part": b"x",
        day / "notes.txt": b"x",
        day / "110000.000_rec1.v.mp4": b"no segment, but not small either" * 200,
        site / "C" / "lost+found" / "1" / "main" / "20261123" / "100000.000_rec1.v.mp4": b"",
    }
    for path, content in strange.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    renamed = day / "120000.000_rec9.v.mp4"
    shutil.copy(next(iter(sorted(day.glob("*.v.mp4")))), renamed)
    os.utime(renamed, (0, 0))
    with place(site) as here:
        found = {finding.id: finding for finding in recover(here, catalogue)}
    assert all(finding.put is None and not finding.unlink and finding.cut_to is None for finding in found.values())
    assert {finding.what.partition(":")[0] for finding in found.values()} == {
        "left alone",
        "the file says it is of north/001/main/rec1/v",
    }
    assert all(path.read_bytes() == content for path, content in strange.items())


def test_another_servers_fresh_copy_is_left_to_who_makes_it(site: Path) -> None:
    catalogue = Catalogue(site / "fresh.db")
    source = site / "C" / sorted((site / "C").rglob("*.v.mp4"))[0]
    index = scan(source)
    content = source.read_bytes().replace(b'"recorder":"rec1"', b'"recorder":"rec2"')
    copy = source.with_name("100000.000_rec2.v.mp4")
    copy.write_bytes(content)
    assert scan(copy).frames == index.frames
    assert not any(finding.id.startswith("rec2/") for finding in repair(site, catalogue))
    os.utime(copy, (0, 0))
    assert [finding.id for finding in repair(site, catalogue)] == [f"rec2/{copy.relative_to(site / 'C')}"]
    row = catalogue.segments("north", holder="rec1", stream="video")[0]
    assert isinstance(row, Segment)


def test_f14_the_command_checks_and_repairs_what_nobody_writes(site: Path) -> None:
    catalogue = Catalogue(site / "fresh.db")

    def found(repair: bool) -> list[str]:
        findings = check_letter("rec1", "C", site / "C", catalogue, repair=repair, require_mount=False)
        return [finding.what for finding in findings]

    for path in (site / "C").rglob("*.mp4"):
        os.utime(path)
    assert found(repair=True) == [], "files just written may be the recorder's at work"
    for path in (site / "C").rglob("*.mp4"):
        os.utime(path, (0, 0))
    assert found(repair=False) == ["no row"] * 4
    assert catalogue.segments("north") == []
    assert found(repair=True) == ["no row"] * 4
    assert found(repair=True) == []
    assert len(catalogue.segments("north")) == 4


def test_s17_a_letter_that_is_not_mounted_proves_nothing(site: Path) -> None:
    catalogue = Catalogue(site / "state" / "catalogue.db")
    with pytest.raises(DiskMissingError, match="no disk is mounted there"):
        list(check_letter("rec1", "C", site / "C", catalogue, repair=True))
    assert len(catalogue.segments("north")) == 4


def test_s08_a_killed_recorders_segments_are_closed_by_its_next_start(site: Path) -> None:
    made = store(site)
    made.start()
    format, units = video(10)
    track = writer(made)
    track.start((format,), "s2")
    feed(track, ("video", later(units, 3600)))
    wait_until(lambda: track.frames_written == 225, "nine parts are written")
    assert made.rows.flush()
    (row,) = made.catalogue.held("rec1", state="open")
    # Its memory dies with it: nothing is flushed or closed any more.
    shutil.copytree(site, site / "after", ignore=shutil.ignore_patterns("after"))
    with (site / "after" / "C" / row.path).open("ab") as file:
        file.write(b"torn")
    again = store(site / "after")
    again.start()
    wait_until(lambda: not again.catalogue.held("rec1", state="open"), "the row is closed")
    closed = again.catalogue.segment(row.id)
    again.close()
    track.close()
    made.close()
    assert closed is not None
    assert (closed.frames, closed.bytes) == (225, (site / "after" / "C" / row.path).stat().st_size)


def test_recovery_leaves_what_is_being_written_alone(site: Path) -> None:
    made = store(site)
    made.start()
    format, units = video(10)
    track = writer(made)
    track.start((format,), "s2")
    feed(track, ("video", later(units, 3600)[:100]))
    wait_until(lambda: track.frames_written == 75, "three parts are written")
    disk = made._volumes["C"]
    with place(site) as bare:
        here = Place("rec1", "C", bare.path, bare.root, lambda: frozenset(disk.live), lambda: None)
        assert list(check(here, made.catalogue)) == []
    track.close()
    made.close()

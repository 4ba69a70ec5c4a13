"""A power cut at any byte of any file, the catalogue kept or lost: what `catalogue rebuild` makes is what is there."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from letters import feed, later, store, writer
from media import audio, video
from understudy.footage.catalogue import Catalogue
from understudy.recorder.fmp4.scan import scan
from understudy.recorder.recover import check_letter

EXAMPLES = 25


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two minutes of picture and sound in some files, and one file that is not ours."""
    root = tmp_path_factory.mktemp("recorded")
    made = store(root)
    made.start()
    (form, units), (sound_form, sound) = video(10), audio(65)
    track = writer(made)
    track.start((form, sound_form), "s1")
    feed(track, ("video", [u for turn in range(12) for u in later(units, 10 * turn)]), ("audio", sound))
    track.close()
    made.close()
    (root / "C" / "notes.txt").write_text("not a segment")
    return root


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.mp4"))


@given(data=st.data())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_f14_rebuild_equals_what_is_on_the_disk_and_touches_nothing_else(recorded: Path, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "site"
        shutil.copytree(recorded, root)
        letter = root / "C"
        whole = {name: (letter / name).read_bytes() for name in names(letter)}
        cuts = {}
        for name in data.draw(st.lists(st.sampled_from(sorted(whole)), unique=True), label="torn files"):
            cuts[name] = data.draw(st.integers(0, len(whole[name]) - 1), label=f"bytes left of {name}")
            os.truncate(letter / name, cuts[name])
        if data.draw(st.booleans(), label="the catalogue is lost"):
            for path in (root / "state").glob("catalogue.db*"):
                path.unlink()
        for name in whole:
            os.utime(letter / name, (0, 0))
        _rebuild_and_judge(root, whole, cuts)


def _rebuild_and_judge(root: Path, whole: dict[str, bytes], cuts: dict[str, int]) -> None:
    letter = root / "C"
    catalogue = Catalogue(root / "state" / "catalogue.db")
    findings = list(check_letter("rec1", "C", letter, catalogue, repair=True, require_mount=False))
    assert list(check_letter("rec1", "C", letter, catalogue, repair=False, require_mount=False)) == []
    rows = {row.path: row for row in catalogue.held("rec1")}
    catalogue.close()
    assert sorted(rows) == names(letter), "a row per file and a file per row"
    for name, row in rows.items():
        found = (letter / name).read_bytes()
        index = scan(letter / name)
        assert whole[name].startswith(found)
        assert index.whole_size == len(found) == row.bytes, "it ends with a whole part"
        assert (row.state, row.frames, row.holder) == ("closed", len(index.frames), "rec1")
        assert (row.start_us, row.end_us) == (index.header.start_us, max(frame.wall_us for frame in index.frames))
        hashed = hashlib.sha256(found).hexdigest()
        assert row.sha256 in (("", hashed) if name not in cuts else (hashed,)), (
            "the recorder hashes what others ask for"
        )
        if name in cuts:
            parts = [offset + size for offset, size in scan_of(whole[name]) if offset + size <= cuts[name]]
            assert len(found) == max(parts), "no whole part is lost"
        else:
            assert found == whole[name]
    for name in whole.keys() - rows.keys():
        assert all(offset + size > cuts[name] for offset, size in scan_of(whole[name])), "it had no whole part"
    assert (letter / "notes.txt").read_text() == "not a segment"
    assert {finding.id.split("/", 1)[1] for finding in findings} >= set(cuts)


def scan_of(data: bytes) -> tuple[tuple[int, int], ...]:
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(data)
        file.flush()
        return scan(Path(file.name)).parts

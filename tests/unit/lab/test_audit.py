"""The frame audit must see all that is wrong with a recording, and nothing that is not."""

from __future__ import annotations

import json
from pathlib import Path

import audit
import films
import pytest
from audit import __main__ as command
from camsim import clip
from camsim.clip import Clip
from camsim.stamp import stamp

#: a key frame of the clips in use (GOP 25 or 50); the counters of a real day are about as large
START = 44_885_700_000


@pytest.fixture(scope="session")
def gate(clips: Path) -> Clip:
    return clip.read(clips / "gate.clip")


@pytest.fixture(scope="session")
def ramp(clips: Path) -> Clip:
    return clip.read(clips / "ramp.clip")


@pytest.mark.parametrize("fragmented", [True, False])
def test_a_whole_recording_is_whole_and_plays(gate: Clip, tmp_path: Path, fragmented: bool) -> None:
    counters = list(range(START, START + 120))
    path = films.write(tmp_path / "whole.mp4", gate, counters, fragmented=fragmented)
    found = audit.check([path])
    assert found == audit.Audit(camera="gate", first=START, last=START + 119, count=120)
    assert found.ok
    assert audit.counters(path) == counters
    assert audit.decodes(path) == (120, [])


def test_pictures_of_several_slices_over_the_loops_with_most_padding(ramp: Clip, tmp_path: Path) -> None:
    loop = len(ramp.pictures)
    first = START // (32 * loop) * 32 * loop + 30 * loop
    path = films.write(tmp_path / "ramp.mp4", ramp, range(first, first + 3 * loop), name="ramp")
    assert audit.check([path]).ok
    assert audit.decodes(path) == (3 * loop, [])


def test_dropped_pictures_are_reported_and_no_others(gate: Clip, tmp_path: Path) -> None:
    dropped = {START + 30, START + 31, START + 32, START + 70, START + 99}
    left = [counter for counter in range(START, START + 120) if counter not in dropped]
    path = films.write(tmp_path / "holes.mp4", gate, left)
    found = audit.check([path], first=START - 2, last=START + 121)
    assert found.missing == [
        (START - 2, START - 1), (START + 30, START + 32), (START + 70, START + 70), (START + 99, START + 99),
        (START + 120, START + 121),
    ]  # fmt: skip
    assert not found.duplicates
    assert not found.damaged
    assert found.undecodable == [(START + 33, START + 49), (START + 71, START + 74)]
    assert not found.ok


def test_what_the_camera_never_sent_is_not_missing(gate: Clip, tmp_path: Path) -> None:
    left = [*range(START, START + 10), *range(START + 50, START + 60)]
    path = films.write(tmp_path / "stall.mp4", gate, left)
    assert audit.check([path], silent=[(START + 12, START + 49)]).missing == [(START + 10, START + 11)]
    assert audit.check([path], silent=[(START - 5, START + 49)]).ok


def test_pictures_that_are_there_twice_in_one_file_or_in_two(gate: Clip, tmp_path: Path) -> None:
    twice = films.write(tmp_path / "a.mp4", gate, [*range(START, START + 30), *range(START + 25, START + 50)])
    found = audit.check([twice])
    assert found.duplicates == [(START + 25, START + 29)]
    assert found.backwards == [(START + 29, START + 25)]
    assert found.count == 55
    other = films.write(tmp_path / "b.mp4", gate, range(START + 50, START + 75))
    overlap = films.write(tmp_path / "c.mp4", gate, range(START + 50, START + 80))
    assert audit.check([other, overlap]).duplicates == [(START + 50, START + 74)]
    assert audit.check([overlap, twice], first=START + 30).duplicates == []


@pytest.mark.parametrize("fragmented", [True, False])
def test_a_flipped_bit_is_damage(gate: Clip, tmp_path: Path, fragmented: bool) -> None:
    path = films.write(tmp_path / "flip.mp4", gate, range(START, START + 50), fragmented=fragmented)
    data = bytearray(path.read_bytes())
    at = data.index(stamp(gate, "gate", START + 33).nals[-1]) + 40
    data[at] ^= 0x10
    path.write_bytes(data)
    (damage,) = audit.check([path]).damaged
    assert (damage.counter, damage.reason) == (START + 33, "the slices are not those the camera sent")
    assert audit.check([path], last=START + 32).ok


def test_a_picture_of_another_camera_is_damage(gate: Clip, tmp_path: Path) -> None:
    ours = films.write(tmp_path / "ours.mp4", gate, range(START, START + 50))
    theirs = films.write(tmp_path / "theirs.mp4", gate, range(START + 50, START + 75), name="ramp")
    third = films.write(tmp_path / "third.mp4", gate, range(START + 75, START + 100))
    found = audit.check([ours, theirs, third])
    assert not found.missing
    assert {damage.reason for damage in found.damaged} == {"a picture of ramp"}
    assert [damage.counter for damage in found.damaged] == list(range(START + 50, START + 75))


def test_a_file_that_starts_within_a_gop(gate: Clip, tmp_path: Path) -> None:
    path = films.write(tmp_path / "mid.mp4", gate, range(START + 10, START + 60))
    assert audit.check([path]).undecodable == [(START + 10, START + 24)]
    pictures, errors = audit.decodes(path)
    assert (pictures, len(errors)) == (35, 15)


def test_a_torn_tail_counts_as_far_as_it_is_whole(gate: Clip, tmp_path: Path) -> None:
    path = films.write(tmp_path / "torn.mp4", gate, range(START, START + 100))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(stamp(gate, "gate", START + 90).nals[-1]) + 10])
    found = audit.check([path], last=START + 99)
    assert (found.missing, found.damaged, found.torn) == ([(START + 90, START + 99)], [], [str(path)])
    path.write_bytes(data + bytes(4096))
    assert audit.check([path]).torn == [str(path)]
    for size in (0, 5, 30, 600):
        path.write_bytes(data[:size])
        assert audit.counters(path) == []


def test_blocks_of_zeros_in_a_file_are_damage(gate: Clip, tmp_path: Path) -> None:
    path = films.write(tmp_path / "zeros.mp4", gate, range(START, START + 50))
    data = bytearray(path.read_bytes())
    nals = stamp(gate, "gate", START + 40).nals
    at = data.index(nals[-1])
    data[at - 60 : at + len(nals[-1])] = bytes(60 + len(nals[-1]))
    path.write_bytes(data)
    assert audit.check([path]).damaged


def test_what_is_no_mp4_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mail.eml"
    path.write_bytes(b"From: someone\n")
    with pytest.raises(ValueError, match="not an MP4 file"):
        audit.counters(path)
    assert audit.decodes(path)[1]


def test_sound_is_passed_over(gate: Clip, tmp_path: Path) -> None:
    sound = films.write_sound(tmp_path / "a.mp4", gate)
    assert audit.counters(sound) == []
    assert audit.check([sound, films.write(tmp_path / "v.mp4", gate, range(START, START + 25))]).ok


def test_the_command_judges_each_camera(gate: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = films.write(tmp_path / "1.mp4", gate, range(START, START + 25))
    holes = films.write(tmp_path / "2.mp4", gate, [START, START + 2], name="ramp")
    assert command.main([str(whole)]) == 0
    assert capsys.readouterr().out == (
        f"gate: 25 pictures, {START} to {START + 24}: 0 missing, 0 duplicate, 0 damaged\n"
    )
    assert command.main([str(whole), str(holes), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["gate"]["ok"], told["ramp"]["missing"]) == (True, [[START + 1, START + 1]])
    assert command.main([str(tmp_path / "none.mp4")]) == 1
    assert "none.mp4" in capsys.readouterr().err

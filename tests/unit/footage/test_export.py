"""Export gives one file that plays from end to end, each frame once (S12)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import av
import media
import msgspec
import pytest
from recordings import FPS, SECONDS, Node
from understudy.footage.access import Footage
from understudy.footage.disks import FootageError
from understudy.footage.export import Manifest, export
from understudy.footage.model import Segment
from understudy.footage.peers import Peers

EPOCH_US = media.EPOCH_US


@pytest.fixture
def home(tmp_path: Path) -> Node:
    return Node(tmp_path, "rec1")


def run(home: Node, target: Path, from_s: float, to_s: float, extra: Sequence[Segment] = ()) -> Manifest:
    """Export at the server `home`, with no other server to ask."""
    span = (EPOCH_US + round(from_s * 1e6), EPOCH_US + round(to_s * 1e6))
    footage = Footage(home.plan, home.catalogue, home.disks, Peers(home.plan, None))
    rows = [*footage.local_rows("north", 1), *extra]
    return asyncio.run(export(footage, rows, *span, target))


def pictures(path: Path) -> tuple[list[bytes], list[float]]:
    """Decoded pictures and their times."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return [b"".join(map(bytes, frame.planes)) for frame in frames], [frame.time or 0.0 for frame in frames]


def camera_pictures(first: int, stop: int) -> list[bytes]:
    """What the camera showed: frames `first` to `stop`."""
    return media.decode_units(*media.video(SECONDS))[first:stop]


def brought_home(home: Node, standby_recorded: list[Segment]) -> None:
    """As after the copy: bytes on the home's letter, rows name it as holder."""
    for row in standby_recorded:
        target = home.path(row)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((home.root / row.recorder / "C" / row.path).read_bytes())
        home.catalogue.put([msgspec.structs.replace(row, holder="rec1")])


def test_s12_export_over_takeover_and_handback_has_every_frame_once(home: Node, tmp_path: Path) -> None:
    standby = Node(tmp_path, "stby1")
    home.record("rec1-a", 0, 4.3)
    home.record("rec1-b", 8, 12)
    brought_home(home, standby.record("stby1-a", 3, 9.5, clock_us=80_000))
    manifest = run(home, tmp_path / "out.mp4", 0, 12)
    shown, times = pictures(tmp_path / "out.mp4")
    assert shown == camera_pictures(0, SECONDS * FPS)
    assert [round(b - a, 3) for a, b in pairwise(times)] == [0.04] * (SECONDS * FPS - 1)
    assert (manifest.video_frames, manifest.duration_s, manifest.gaps) == (300, 12.0, ())
    assert manifest.recorders == ("rec1", "stby1")
    assert not list(tmp_path.glob("*.part"))


def test_sound_keeps_in_step_over_the_seam(home: Node, tmp_path: Path) -> None:
    standby = Node(tmp_path, "stby1")
    for stream in ("video", "audio"):
        home.record(f"rec1-{stream}", 0, 5.2, stream=stream)  # type: ignore[arg-type]
        brought_home(home, standby.record(f"stby1-{stream}", 4, 12, stream=stream, clock_us=70_000))  # type: ignore[arg-type]
    manifest = run(home, tmp_path / "out.mp4", 1.5, 12)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        packets = [packet for packet in container.demux(audio=0) if packet.dts is not None]
        steps = {b.dts - a.dts for a, b in pairwise(packets)}  # type: ignore[operator]
        assert steps == {1024}
        starts = [float(s.start_time * s.time_base) for s in container.streams]  # type: ignore[operator]
    assert abs(starts[0] - starts[1]) < 0.1
    assert manifest.audio_frames == len(packets)
    held = [unit for unit in media.audio(SECONDS)[1] if unit.wall_us >= EPOCH_US + 1_000_000]
    assert manifest.audio_frames == pytest.approx(len(held), abs=2)


def test_h265_and_g711_of_two_recorders_are_one_file(home: Node, tmp_path: Path) -> None:
    standby = Node(tmp_path, "stby1")
    for stream, codec in (("video", "h265"), ("audio", "pcmu")):
        home.record(f"rec1-{codec}", 0, 5.2, stream=stream, codec=codec)  # type: ignore[arg-type]
        brought_home(home, standby.record(f"stby1-{codec}", 4, 12, stream=stream, codec=codec, clock_us=70_000))  # type: ignore[arg-type]
    manifest = run(home, tmp_path / "out.mp4", 0, 12.1)
    shown, _ = pictures(tmp_path / "out.mp4")
    assert shown == media.decode_units(*media.video(SECONDS, codec="h265"))
    assert (manifest.video_frames, manifest.left_out) == (300, ())
    with av.open(str(tmp_path / "out.mp4")) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    assert b"".join(packets) == b"".join(unit.payload for unit in media.g711(SECONDS)[1])


def test_a_camera_that_changed_its_codec_is_exported_in_the_first_and_the_rest_named(
    home: Node, tmp_path: Path
) -> None:
    home.record("rec1-a", 0, 4)
    home.record("rec1-b", 4, 8, codec="h265")
    home.record("rec1-c", 8, 12)
    manifest = run(home, tmp_path / "out.mp4", 0, 12)
    shown, times = pictures(tmp_path / "out.mp4")
    assert shown == camera_pictures(0, 100) + camera_pictures(200, 300)
    assert times[100] - times[99] == pytest.approx(4.04, abs=0.001)
    assert manifest.left_out == ("100 pictures in h265: the export is in h264",)


def test_it_begins_at_the_key_frame_before_and_ends_where_asked(home: Node, tmp_path: Path) -> None:
    home.record("rec1-a", 0, 12)
    manifest = run(home, tmp_path / "out.mp4", 2.5, 5.25)
    shown, _ = pictures(tmp_path / "out.mp4")
    assert shown == camera_pictures(50, 132)
    assert manifest.from_us == EPOCH_US + 2_000_000


def test_a_gap_stays_as_long_as_it_was(home: Node, tmp_path: Path) -> None:
    home.record("rec1-a", 0, 4)
    home.record("rec1-b", 7, 12)
    manifest = run(home, tmp_path / "out.mp4", 0, 12)
    shown, times = pictures(tmp_path / "out.mp4")
    assert shown == camera_pictures(0, 100) + camera_pictures(175, 300)
    assert times[100] - times[99] == pytest.approx(3.04, abs=0.001)
    assert [gap.length_s for gap in manifest.gaps] == [3.0]
    in_the_gap = run(home, tmp_path / "later.mp4", 5, 12)
    assert (in_the_gap.from_us, in_the_gap.gaps) == (EPOCH_US + 7_000_000, ())


def test_b_frames_keep_their_order(home: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = media.video
    monkeypatch.setattr(media, "video", lambda seconds: original(seconds, b_frames=2))
    home.record("rec1-a", 0, 12)
    run(home, tmp_path / "out.mp4", 0, 12)
    shown, times = pictures(tmp_path / "out.mp4")
    assert shown == media.decode_units(*media.video(SECONDS))
    assert times == sorted(times)


def test_no_footage_or_a_failing_holder_leave_no_file(home: Node, tmp_path: Path) -> None:
    rows = home.record("rec1-a", 0, 12)
    with pytest.raises(FootageError, match="no footage in this span"):
        run(home, tmp_path / "out.mp4", 20, 30)  # what ended shortly before is not in it
    for row in rows:
        home.path(row).unlink()
    with pytest.raises(FootageError):
        run(home, tmp_path / "out.mp4", 0, 3.5)
    assert not list(tmp_path.glob("out*"))


def test_a_segment_that_nobody_can_give_is_left_out_and_named(home: Node, tmp_path: Path) -> None:
    rows = home.record("rec1-a", 0, 12)
    home.path(rows[1]).unlink()
    manifest = run(home, tmp_path / "out.mp4", 0, 12)
    shown, times = pictures(tmp_path / "out.mp4")
    assert shown == camera_pictures(0, 75) + camera_pictures(150, 300)
    assert times[75] - times[74] == pytest.approx(3.04, abs=0.001)
    assert manifest.unavailable == (rows[1].id,)

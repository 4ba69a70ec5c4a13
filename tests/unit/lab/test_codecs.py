"""H.265 and G.711 from a simulated camera through the recorder into files, judged by the audit and by PyAV."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import audit
import av
import pytest
from camsim import clip, rtp
from camsim.clip import Clip
from camsim.stamp import stamp
from recording import Recording
from running import Simulator, start
from understudy.recorder.codec.nal import frame_crc
from understudy.recorder.fmp4.scan import scan

CAMERAS = {
    "yard": {"path": "/yard", "media": "yard.clip", "aggregate": True},
    "shed": {"path": "/shed", "media": "shed.clip", "sdp_parameter_sets": False},
    "barn": {"path": "/barn", "media": "shed.clip", "inband_parameter_sets": False},
}
LAWS = {"yard": "ulaw", "shed": "alaw", "barn": "alaw"}


@contextlib.contextmanager
def cameras(clips: Path) -> Iterator[Simulator]:
    with start(clips, cameras=CAMERAS) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def h265(clips: Path) -> Iterator[Simulator]:
    with cameras(clips) as simulator:
        yield simulator


def assert_contiguous(samples: bytes, film: Clip) -> None:
    """The sound is one piece of the camera's loop, played as often as it takes."""
    assert film.sound
    loop = b"".join(film.sound.frames)
    turns = len(samples) // len(loop) + 2
    assert samples
    assert samples in loop * turns


@pytest.mark.parametrize("name", list(CAMERAS))
def test_h265_and_g711_are_recorded_whole_and_play(h265: Simulator, clips: Path, tmp_path: Path, name: str) -> None:
    with Recording(tmp_path, h265.url(f"/{name}")) as recording:
        recording.mode("record")
        recording.until_frames(50)
    (video,), (sound,) = recording.files("v"), recording.files("a")
    verdict = audit.check([video])
    assert verdict.ok, verdict
    assert verdict.camera == name
    assert audit.decodes(video) == (verdict.count, [])
    entry, samples = audit.sound(sound)
    assert entry == LAWS[name]
    assert_contiguous(samples, clip.read(clips / CAMERAS[name]["media"]))
    index = scan(video)
    content = video.read_bytes()
    assert (index.header.codec, index.whole_size) == ("h265", len(content))
    assert [frame_crc("h265", content[f.offset : f.offset + f.size]) for f in index.frames] == [
        f.crc for f in index.frames
    ]
    with av.open(str(video)) as file:
        assert file.streams.video[0].codec_context.name == "hevc"
        assert (file.streams.video[0].width, file.streams.video[0].height) == (640, 360)


def test_an_export_holds_h265_and_g711(h265: Simulator, clips: Path, tmp_path: Path) -> None:
    with Recording(tmp_path, h265.url("/yard")) as recording:
        recording.mode("record")
        recording.until_frames(50)
    target = tmp_path / "out.mp4"
    manifest = recording.export(tmp_path, target)
    assert manifest.left_out == ()
    assert audit.check([target]).ok
    assert audit.decodes(target) == (manifest.video_frames, [])
    entry, samples = audit.sound(target)
    assert entry == "ulaw"
    assert_contiguous(samples, clip.read(clips / "yard.clip"))
    with av.open(str(target)) as file:
        assert file.streams.audio[0].codec_context.name == "pcm_mulaw"
        decoded = sum(frame.samples for frame in file.decode(audio=0))
    assert decoded == len(samples)


def test_s06_a_takeover_of_an_h265_camera_writes_ring_and_live(h265: Simulator, tmp_path: Path) -> None:
    with Recording(tmp_path, h265.url("/shed")) as recording:
        recording.mode("preroll")
        recording.until_frames(60)
        recording.mode("record")
        recording.until_frames(100)
    verdict = audit.check(recording.files("v"))
    assert verdict.ok, verdict
    assert verdict.count >= 100 - 25, "less than the ring held from its first key frame on"


@pytest.mark.parametrize("size", [2, 1399, 1400, 1401, 2800, 50_000])
def test_fragments_of_h265_put_together_are_the_nal_unit(size: int) -> None:
    nal = b"\x28\x01" + bytes(index % 251 for index in range(size - 2))
    payloads = rtp.video_payloads((nal,), codec="h265", aggregate=False)
    assert all(len(payload) <= rtp.MAX_PAYLOAD for payload in payloads)
    if len(payloads) == 1:
        assert payloads == [nal]
        return
    assert all(payload[0] >> 1 == 49 for payload in payloads)
    header = bytes([payloads[0][0] & 0x81 | (payloads[0][2] & 0x3F) << 1, payloads[0][1]])
    assert header + b"".join(payload[3:] for payload in payloads) == nal


def test_stamps_of_h265_tell_the_picture(clips: Path) -> None:
    yard = clip.read(clips / "yard.clip")
    picture = stamp(yard, "yard", 12_345_678_900)
    kinds = [nal[0] >> 1 for nal in picture.nals]
    assert kinds[:4] == [32, 33, 34, 39]
    assert all(kind < 32 for kind in kinds[4:])

"""The parts of the camera simulator that need no socket."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from audit import stamps
from camsim import clip, config, media, rtp, stamp
from camsim.camera import MAX_LATE_S, VIDEO, Camera, Unit

NOW_S = 1_795_428_000.5


class Listener:
    """A client that notes what it is sent."""

    def __init__(self) -> None:
        self.counters: list[int] = []
        self.units: list[Unit] = []

    def send(self, units: list[Unit], noise: bytes, now_s: float) -> None:
        self.units += units
        self.counters += [unit.counter for unit in units if unit.track == VIDEO]

    def drop(self) -> None:
        raise AssertionError("nobody asked for that")


@pytest.fixture
def camera(clips: Path) -> Camera:
    told = config.CameraConfig(name="gate", path="/gate", media="gate.clip")
    return Camera(told, clip.read(clips / "gate.clip"), NOW_S)


def test_counters_are_capture_times_and_outlive_a_restart(camera: Camera) -> None:
    listener = Listener()
    camera.clients.add(listener)
    for step in range(50):
        camera.tick(NOW_S + step * 0.1)
    assert listener.counters == list(range(int(NOW_S * 25) + 1, int((NOW_S + 4.9) * 25) + 1))
    sounds = [unit.counter for unit in listener.units if unit.track != VIDEO]
    assert sounds == list(range(sounds[0], sounds[0] + len(sounds)))
    assert len(sounds) in (76, 77)
    again = Camera(camera.config, camera.clip, NOW_S + 5)
    again.clients.add(listener)
    again.tick(NOW_S + 6)
    assert listener.counters == sorted(set(listener.counters))


def test_a_suspended_simulator_is_late_at_first_and_then_leaves_out_whole_gops(camera: Camera) -> None:
    listener = Listener()
    camera.clients.add(listener)
    camera.tick(NOW_S + MAX_LATE_S)
    assert (len(listener.counters), camera.silent) == (MAX_LATE_S * 25, [])
    camera.tick(NOW_S + 3 * MAX_LATE_S)
    camera.tick(NOW_S + 3 * MAX_LATE_S + 1)
    ((first, last),) = camera.silent
    assert first == listener.counters[int(MAX_LATE_S * 25) - 1] + 1
    assert (last + 1) % 25 == 0
    assert listener.counters[int(MAX_LATE_S * 25)] == last + 1


def test_stamps_survive_emulation_prevention_and_the_loops_differ(clips: Path) -> None:
    gate = clip.read(clips / "gate.clip")
    loop = len(gate.pictures)
    checksums = set()
    for variant in range(stamp.VARIANTS):
        for counter in (0, 1, 255, 256 * 3, 1 << 40, (1 << 63) + 3):
            counter += variant * loop
            picture = stamp.stamp(gate, "gate", counter)
            sample = b"".join(len(nal).to_bytes(4, "big") + nal for nal in picture.nals)
            read = stamps.read(sample, 4)
            assert (read.camera, read.counter, read.key, read.fault) == ("gate", counter, picture.key, "")
            assert not any(code in nal for nal in picture.nals for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))
            assert all(nal[-1] for nal in picture.nals)
        checksums.add(zlib.crc32(stamp.stamp(gate, "gate", variant * loop).nals[-1]))
    assert len(checksums) == stamp.VARIANTS


@pytest.mark.parametrize("zeros", range(12))
def test_escaping_is_undone_by_the_audit(zeros: int) -> None:
    for follower in range(6):
        assert stamp.sei("x", follower << 8 * 7, zeros).count(b"\0\0\0") == 0
        rbsp = bytes(zeros) + bytes([follower, 0x80])
        assert stamp.escape(rbsp).replace(b"\0\0\3", b"\0\0") == rbsp


@pytest.mark.parametrize("size", [1, 1399, 1400, 1401, 2799, 2800, 100_000])
def test_fragments_put_together_are_the_nal_unit(size: int) -> None:
    nal = bytes([0x65]) + bytes(index % 251 for index in range(size - 1))
    payloads = rtp.video_payloads((nal,), aggregate=False)
    assert all(len(payload) <= rtp.MAX_PAYLOAD for payload in payloads)
    if len(payloads) == 1:
        assert payloads == [nal]
        return
    starts = [payload[1] & 0x80 for payload in payloads]
    ends = [payload[1] & 0x40 for payload in payloads]
    assert starts == [0x80] + [0] * (len(payloads) - 1)
    assert ends == [0] * (len(payloads) - 1) + [0x40]
    assert bytes([payloads[0][0] & 0xE0 | payloads[0][1] & 0x1F]) + b"".join(p[2:] for p in payloads) == nal


def test_clips_are_the_same_each_time_and_made_once(tmp_path: Path) -> None:
    recipe = media.Recipe("yard", gop=25, sound=True)
    path = media.make(recipe, tmp_path, loop_s=1)
    content, made = path.read_bytes(), path.stat().st_mtime_ns
    assert media.make(recipe, tmp_path, loop_s=1).stat().st_mtime_ns == made
    path.unlink()
    assert media.make(recipe, tmp_path, loop_s=1).read_bytes() == content
    assert clip.read_recipe(tmp_path / "none") is None


def test_the_lab_has_clips_for_all_its_cameras() -> None:
    lab = config.load()
    assert {told.media for told in lab.cameras} == {f"{recipe.name}.clip" for recipe in media.RECIPES}
    assert (lab.port, lab.control_port, lab.user, lab.password) == (554, 8555, "viewer", "p@ss:w/rd#1?")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ('{"user": "a", "password": "b", "prot": 1, "cameras": {}}', "unknown key 'prot'"),
        ('{"user": "a", "password": "b", "cameras": {"x": {"path": "/x", "medium": "y"}}}', "unknown key 'medium'"),
        ('{"user": "a", "password": "b", "cameras": {"x": {"path": "x", "media": "y"}}}', "it starts with /"),
        ('{"user": "a", "password": "b", "cameras": {"x": {"path": "/x", "media": "y", "auth": "n"}}}', "allowed: dig"),
        ('{"user": "a"}', "cameras"),
        ("{", "Expecting"),
    ],
)
def test_a_wrong_configuration_is_refused_by_name(tmp_path: Path, wrong: str, says: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(wrong)
    with pytest.raises(ValueError, match=says) as refused:
        config.load(path)
    assert str(path) in str(refused.value)


def test_many_cameras_take_turns_at_the_configured_ones() -> None:
    lab = config.load()
    cameras = config.many(lab, 9).cameras
    assert [camera.name for camera in cameras] == [f"cam{number:03}" for number in range(1, 10)]
    assert cameras[8].path == "/cam009"
    assert [camera.media for camera in cameras] == [camera.media for camera in (*lab.cameras, *lab.cameras)][:9]

"""The simulated cameras, seen by clients that have nothing in common with them: PyAV's, and a bare one."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import audit
import av
import films
import pytest
from audit import stamps
from camsim import clip
from camsim.stamp import stamp
from running import Client, Packet, Simulator

QUICK = {"rtsp_transport": "tcp", "analyzeduration": "0", "probesize": "2048"}


class Recorder(threading.Thread):
    """Records a camera with PyAV into a fragmented MP4 until it has a number of pictures."""

    def __init__(self, url: str, path: Path, pictures: int) -> None:
        super().__init__()
        self.url, self.path, self.pictures = url, path, pictures
        #: (counter, when it came, its bytes)
        self.seen: list[tuple[int, float, bytes]] = []
        self.sounds = 0

    def run(self) -> None:
        with (
            av.open(self.url, options=QUICK, timeout=10) as source,
            av.open(str(self.path), "w", format="mp4", options=films.FRAGMENTED) as target,
        ):
            inside = source.streams.video[0]
            outside = target.add_stream_from_template(inside)
            for packet in source.demux():
                if packet.stream.type == "audio":
                    self.sounds += 1
                elif packet.size:
                    self._take(packet)
                    packet.stream = outside
                    packet.pts = packet.dts = len(self.seen)
                    packet.time_base = Fraction(1, 25)
                    target.mux(packet)
                if len(self.seen) == self.pictures:
                    return

    def _take(self, packet: av.Packet[Any]) -> None:
        data = bytes(packet)
        nals = [nal.rstrip(b"\x00") for nal in data.split(b"\x00\x00\x01") if nal.rstrip(b"\x00")]
        picture = stamps.read(b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals), 4)
        assert not picture.fault, picture
        assert picture.counter is not None
        self.seen.append((picture.counter, time.time(), b"".join(nal for nal in nals if nal[0] & 0x1F in (1, 5))))


def test_two_clients_record_the_same_pictures_in_real_time(shared: Simulator, clips: Path, tmp_path: Path) -> None:
    recorders = [Recorder(shared.url("/gate"), tmp_path / f"{number}.mp4", 50) for number in range(2)]
    for recorder in recorders:
        recorder.start()
    for recorder in recorders:
        recorder.join()
    first, second = ({counter: data for counter, _, data in each.seen} for each in recorders)
    both = first.keys() & second.keys()
    assert len(both) >= 20
    assert all(first[counter] == second[counter] for counter in both)
    gate = clip.read(clips / "gate.clip")
    assert all(first[counter] == stamp(gate, "gate", counter).nals[-1] for counter in first)
    for recorder in recorders:
        assert recorder.sounds > 20
        found = audit.check([recorder.path])
        assert (found.ok, found.count, found.camera) == (True, 50, "gate")
        assert audit.decodes(recorder.path) == (50, [])
        # each picture comes when it is due: what was buffered while PyAV opened the stream is past after a second
        delays = [arrived - counter / 25 for counter, arrived, _ in recorder.seen[30:]]
        assert min(delays) > -0.01
        assert sorted(delays)[len(delays) // 2] < 0.2


@pytest.mark.parametrize("path", ["/gate", "/ch/2?sub=0"])
def test_a_wrong_password_is_refused(shared: Simulator, path: str) -> None:
    with pytest.raises(av.HTTPUnauthorizedError):
        av.open(shared.url(path, password="guess"), options=QUICK, timeout=10)
    with Client(shared) as client:
        assert client.ask("OPTIONS", "/gate")[0] == 200
        assert client.ask("DESCRIBE", "/gate", password="guess")[0] == 401
        assert client.ask("SETUP", "/gate/trackID=0", password="guess")[0] == 401
        assert client.ask("DESCRIBE", "/gate")[0] == 200
        assert client.ask("DESCRIBE", "/none")[0] == 404


def test_digest_with_qop_stap_a_and_several_slices(shared: Simulator, tmp_path: Path) -> None:
    recorder = Recorder(shared.url("/ch/2?sub=0"), tmp_path / "ramp.mp4", 40)
    recorder.start()
    recorder.join()
    counters = [counter for counter, _, _ in recorder.seen]
    assert counters == list(range(counters[0], counters[0] + 40))
    found = audit.check([recorder.path])
    assert (found.camera, found.missing, found.damaged) == ("ramp", [], [])


def test_each_session_has_a_base_of_its_own_and_reports_tell_the_time(shared: Simulator) -> None:
    bases = []
    for _ in range(2):
        with Client(shared) as client:
            status, answer = client.play("/door")
            assert status == 200
            packets: list[Packet] = []
            while {packet.channel for packet in packets} != {0, 1}:
                packet = client.packet()
                assert packet
                packets.append(packet)
            video = next(packet for packet in packets if packet.channel == 0)
            report = next(packet for packet in packets if packet.channel == 1)
            info = dict(part.split("=", 1) for part in answer["rtp-info"].split(";"))
            assert int(info["seq"]) == video.sequence
            # a report reads: SSRC where RTP has its timestamp, NTP seconds where it has its SSRC, fraction, RTP time
            assert report.timestamp == video.ssrc
            ntp_s = report.ssrc - 2_208_988_800 + int.from_bytes(report.payload[:4], "big") / 2**32
            assert abs(ntp_s - time.time()) < 1
            ahead = (int.from_bytes(report.payload[4:8], "big") - video.timestamp) & 0xFFFFFFFF
            assert ahead < 90_000 or ahead > 2**32 - 90_000
            bases.append((video.ssrc, video.sequence))
    assert bases[0] != bases[1]


def test_methods_out_of_order_and_transports_it_does_not_have(shared: Simulator) -> None:
    with Client(shared) as client:
        assert client.ask("PLAY", "/gate")[0] == 455
        assert client.ask("SETUP", "/gate/trackID=0", Transport="RTP/AVP;unicast;client_port=5000-5001")[0] == 461
        assert client.ask("SETUP", "/gate/trackID=9", Transport="RTP/AVP/TCP;interleaved=0-1")[0] == 404
        assert client.ask("GET_PARAMETER", "/gate", Session="12345")[0] == 454
        assert client.ask("PAUSE", "/gate")[0] == 501
        assert client.play("/gate")[0] == 200
        assert client.ask("GET_PARAMETER", "/gate")[0] == 200
        assert client.ask("TEARDOWN", "/gate")[0] == 200
        assert client.packet() is None


def test_what_is_no_rtsp_closes_the_connection(shared: Simulator) -> None:
    with Client(shared) as client:
        client.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.packet() is None

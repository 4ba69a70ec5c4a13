"""The fault switches of the simulated cameras, and clients that are at fault themselves."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from running import LAB, Client, Simulator


def test_cut_closes_what_is_open_and_no_more(camsim: Simulator) -> None:
    with Client(camsim) as client, Client(camsim) as other:
        client.play("/door")
        assert client.video(1)
        assert other.ask("OPTIONS", "/door")[0] == 200
        camsim.fault("door", "cut")
        while client.packet():
            pass
        assert other.play("/door")[0] == 200
        assert other.video(1)


def test_refuse_leaves_running_sessions_alone(camsim: Simulator) -> None:
    with Client(camsim) as client, Client(camsim) as late:
        client.play("/door")
        client.video(1)
        camsim.fault("door", "refuse")
        assert late.play("/door")[0] == 503
        assert len(client.video(10)) == 10
        camsim.fault("door", "normal")
        assert late.play("/door")[0] == 200
    assert camsim.stats("door")["refused"] == 1


def test_stall_sends_nothing_then_goes_on_with_a_key_frame(camsim: Simulator) -> None:
    with Client(camsim) as client:
        client.play("/door")
        client.video(1)
        camsim.fault("door", "stall", 0.5)
        stalled_s = time.monotonic()
        while (packet := client.packet()) and time.monotonic() - stalled_s < 0.4:
            pass
        assert packet
        assert packet.channel == 1 or packet.payload[0] & 0x1F == 7, "not the parameter sets of a key frame"
    ((first, last),) = camsim.stats("door")["silent"]
    assert (last + 1) % 5 == 0
    assert last - first >= 11


def test_reboot_answers_nothing_until_it_is_over(camsim: Simulator) -> None:
    with Client(camsim) as client:
        client.play("/door")
        client.video(1)
        camsim.fault("door", "reboot", 0.3)
        while client.packet():
            pass
    with Client(camsim) as client, pytest.raises((EOFError, ConnectionError)):
        client.ask("DESCRIBE", "/door")
    deadline_s = time.monotonic() + 5
    while camsim.stats("door")["fault"] != "normal" and time.monotonic() < deadline_s:
        pass
    with Client(camsim) as client:
        assert client.play("/door")[0] == 200
        assert client.video(1)


def test_garbage_lies_between_packets_and_loses_none(camsim: Simulator) -> None:
    camsim.fault("door", "garbage")
    with Client(camsim) as client:
        client.play("/door")
        packets = client.video(80)
    assert [packet.sequence for packet in packets] == [(packets[0].sequence + n) & 0xFFFF for n in range(80)]
    assert client.skipped >= 300


@pytest.mark.parametrize("seconds", [3600, -20])
def test_rtp_time_jumps(camsim: Simulator, seconds: float) -> None:
    with Client(camsim) as client:
        client.play("/door")
        before = client.video(1)[0]
        camsim.fault("door", "rtp-jump", seconds)
        times = {packet.timestamp for packet in client.video(40)}
    jumps = [(stamp - before.timestamp - seconds * 90_000) % 2**32 for stamp in times]
    assert any(jump < 10 * 90_000 for jump in jumps)


def test_a_slow_client_is_cut_off_and_counted(camsim: Simulator) -> None:
    with Client(camsim, receive_buffer=4096) as slow, Client(camsim) as quick:
        slow.play("/door")
        quick.play("/door")
        while not camsim.stats("door")["dropped_slow"]:
            assert quick.packet()
        sequences = [packet.sequence for packet in slow.video(100_000)]
        assert sequences == [(sequences[0] + n) & 0xFFFF for n in range(len(sequences))], "a hole in what it got"
        assert len(quick.video(5)) == 5


def test_a_silent_client_is_closed_and_one_that_keeps_alive_is_not(camsim: Simulator) -> None:
    with Client(camsim) as silent, Client(camsim) as alive:
        silent.play("/door")
        alive.play("/door")
        while not camsim.stats("door")["timed_out"]:
            assert alive.ask("GET_PARAMETER", "/door")[0] == 200
        while silent.packet():
            pass
        assert alive.video(1)


def test_the_command_switches_and_tells(camsim: Simulator) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "camsim", "--control-port", str(camsim.control_port), *words]
        return subprocess.run(command, cwd=LAB, capture_output=True, text=True, timeout=20, check=False)

    assert run("ctl", "door", "refuse").returncode == 0
    assert '"fault": "refuse"' in run("stats", "door").stdout
    assert run("ctl", "all", "normal").returncode == 0
    assert run("ctl", "door", "reboot").stderr == "camsim: reboot needs SECONDS\n"
    assert run("ctl", "none", "cut").stderr == "camsim: no camera 'none', there are: gate, ramp, door\n"

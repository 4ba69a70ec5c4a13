"""failover_info, recorder_info, package_set, sysctl_set: their pure parts, and the agent's socket."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_agent
from ansible_collections.understudy.nvr.plugins.modules import etcd_member_set, failover_info, package_set, sysctl_set


def status(carrier: str | None = "rec1", standby: str = "PRIMARY STANDBY") -> dict[str, Any]:
    return {
        "servers": [
            {"name": "rec1", "kind": "server", "state": "SERVING", "reason": ""},
            {"name": "stby1", "kind": "standby", "state": standby, "reason": "no pre-roll yet"},
        ],
        "logical": [{"name": "north", "home": "rec1", "carrier": carrier, "state": "SERVING" if carrier else "DOWN"}],
    }


def test_a_whole_site_has_no_problems() -> None:
    assert nvr_agent.problems(status(), True, True) == []
    assert nvr_agent.moved(status()) == {}


def test_a_part_nobody_carries_and_a_missing_primary_standby_are_problems() -> None:
    assert nvr_agent.problems(status(None, "STANDBY"), True, True) == [
        "logical server north is DOWN",
        "no server is PRIMARY STANDBY: stby1 is STANDBY (no pre-roll yet)",
    ]
    assert nvr_agent.problems(status(None, "STANDBY"), False, False) == []


def test_a_site_without_standbys_misses_none() -> None:
    alone = status()
    alone["servers"] = alone["servers"][:1]
    assert nvr_agent.problems(alone, True, True) == []


def test_a_site_that_is_not_whole_says_what_it_misses() -> None:
    away = status("stby1", "TAKEN_OVER") | {"protection": {"state": "UNPROTECTED", "reason": "north away from home"}}
    for server in away["servers"]:
        server["reachable"] = server["name"] != "rec1"
    assert nvr_agent.short_of_whole(away) == [
        "logical server north is carried by stby1, away from home",
        "rec1 is silent",
        "the site is UNPROTECTED: north away from home",
    ]
    whole = status() | {"protection": {"state": "PROTECTED", "reason": ""}}
    for server in whole["servers"]:
        server["reachable"] = True
    assert nvr_agent.short_of_whole(whole) == []


def serve_once(path: Path, answer: bytes) -> threading.Thread:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def run() -> None:
        connection, _ = server.accept()
        with connection, server:
            assert json.loads(connection.makefile("rb").readline()) == {"op": "status"}
            connection.sendall(answer)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_standby_that_has_taken_over_is_no_problem(tmp_path: Path) -> None:
    document = {"ok": True, "status": status("stby1", "TAKEN_OVER")}
    thread = serve_once(tmp_path / "s", json.dumps(document).encode() + b"\n")
    options = {"socket": str(tmp_path / "s"), "timeout": 2.0, "carried": True, "primary_standby": True, "whole": False}
    result = failover_info.look(options)
    thread.join()
    assert result["problems"] == []
    assert result["moved"] == {"north": "stby1"}


def test_an_agent_that_is_not_there_or_refuses_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(nvr_agent.AgentError, match="No such file"):
        nvr_agent.call(str(tmp_path / "s"), "status", 1.0)
    thread = serve_once(tmp_path / "s", b'{"ok": false, "error": "starting"}\n')
    with pytest.raises(nvr_agent.AgentError, match="starting"):
        nvr_agent.call(str(tmp_path / "s"), "status", 1.0)
    thread.join()


def camera(mode: str, age: float | None, ring: float = 0.0, error: str | None = None) -> dict[str, Any]:
    return {"number": 1, "name": "Gate", "mode": mode, "last_frame_age_s": age, "ring_s": ring, "error": error}


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (camera("recording", 0.04), None),
        (camera("off", None), None),
        (camera("recording", None), "north/1 Gate delivers no frames"),
        (camera("recording", 9.0, error="refused"), "north/1 Gate delivers no frames: refused"),
        (camera("pre-roll", 0.04, ring=15.2), None),
        (camera("pre-roll", 0.04, ring=1.0), "north/1 Gate has 1.0 s of pre-roll, 5 s are asked for"),
    ],
)
def test_recording_is_judged_by_frames(seen: dict[str, Any], says: str | None) -> None:
    progress = {"parts": {"north": {"mode": "record", "cameras": [seen]}}}
    assert nvr_agent.recording_problems(progress, 5.0) == ([says] if says else [])


def test_only_missing_packages_are_installed_and_an_alternative_counts() -> None:
    names = ["chrony", "nginx-light|nginx-full", "etcd-server|etcd"]
    assert package_set.missing(names, {"chrony", "nginx-full"}) == ["etcd-server"]
    assert package_set.missing(names, set()) == ["chrony", "nginx-light", "etcd-server"]


def test_kernel_parameters_are_compared_as_the_kernel_shows_them() -> None:
    wanted = {"net.ipv4.ip_forward": "0", "net.ipv4.tcp_rmem": "4096 1 2", "net.x.absent": "1", "net.ipv4.y": "1"}
    running = {"net.ipv4.ip_forward": "0", "net.ipv4.tcp_rmem": "4096\t1\t2", "net.ipv4.y": "0"}
    assert sysctl_set.differing(wanted, running) == ["net.ipv4.y"]
    assert sysctl_set.text({"b": "1", "a": "2"}).splitlines()[1:] == ["a = 2", "b = 1"]


def test_a_dot_in_an_interface_name_is_written_as_a_slash() -> None:
    assert str(sysctl_set.proc_path("net.ipv4.conf.eno1/30.rp_filter")) == "/proc/sys/net/ipv4/conf/eno1.30/rp_filter"


def test_s19_a_lost_member_is_removed_and_added_once() -> None:
    url = "https://192.0.2.11:2380"
    others = [{"ID": 2, "name": "rec2", "peerURLs": ["https://192.0.2.12:2380"]}]
    lost = {"ID": 0x8E9E05C52164694D, "name": "rec1", "peerURLs": [url]}
    added = ["add", "rec1", f"--peer-urls={url}"]
    assert etcd_member_set.plan([*others, lost], "rec1", url) == [["remove", "8e9e05c52164694d"], added]
    assert etcd_member_set.plan(others, "rec1", url) == [added]
    assert etcd_member_set.plan([*others, {"ID": 5, "peerURLs": [url]}], "rec1", url) == []

"""failover_set: what is ordered for a wish, what it waits for, and what is refused; against an agent on a socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_agent, nvr_orders
from ansible_collections.understudy.nvr.plugins.modules import failover_set, gaps_info

CALM: dict[str, Any] = {"maintenance": None, "failed": "", "cleared": False, "detached": False, "moves": {}}


def status(node: str = "rec1", carrier: str | None = "rec1", state: str = "SERVING") -> dict[str, Any]:
    return {
        "node": node,
        "servers": [
            {"name": "rec1", "kind": "server", "state": state, "reason": "why"},
            {"name": "stby1", "kind": "standby", "state": "PRIMARY STANDBY", "reason": ""},
        ],
        "logical": [{"name": "north", "home": "rec1", "carrier": carrier, "state": "SERVING"}],
    }


def ordered(wanted: nvr_orders.Wanted, orders: dict[str, Any], seen: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(action.op, action.arguments) for action in nvr_orders.plan(wanted, {**CALM, **orders}, seen)]


def test_f03_maintenance_is_switched_on_and_off_once() -> None:
    on, off = nvr_orders.Wanted(maintenance=True), nvr_orders.Wanted(maintenance=False)
    assert ordered(on, {}, status()) == [("maintenance", {"on": True})]
    assert ordered(on, {"maintenance": {"until": ""}}, status()) == []
    assert ordered(off, {"maintenance": {"until": ""}}, status()) == [("maintenance", {"on": False})]
    assert ordered(off, {}, status()) == []


def test_f03_another_end_is_a_new_order_and_the_same_instant_is_not() -> None:
    wanted = nvr_orders.Wanted(maintenance=True, until="2026-11-23T13:00:00+01:00")
    assert ordered(wanted, {"maintenance": {"until": "2026-11-23T12:00:00Z"}}, status()) == []
    [(op, arguments)] = ordered(wanted, {"maintenance": {"until": ""}}, status())
    assert (op, arguments["until_wall_s"]) == ("maintenance", 1795435200.0)


def test_only_the_carrier_gives_a_part_away() -> None:
    to_standby, homeward = nvr_orders.Wanted(carriers={"north": "stby1"}), nvr_orders.Wanted(carriers={"north": "home"})
    assert ordered(to_standby, {}, status()) == [("move", {"logical": "north", "server": "stby1"})]
    assert ordered(to_standby, {"moves": {"north": "stby1"}}, status()) == []
    assert ordered(to_standby, {}, status("stby1", "rec1")) == []
    assert ordered(homeward, {}, status("stby1", "stby1")) == [("handback", {"logical": "north"})]
    assert ordered(homeward, {}, status("rec1", "rec1")) == []


def test_s59_s63_a_fault_is_declared_and_cleared_once() -> None:
    failed = {"failed": "disk C"}
    assert ordered(nvr_orders.Wanted(fault="disk C"), {}, status()) == [("fail", {"reason": "disk C"})]
    assert ordered(nvr_orders.Wanted(fault="disk C"), failed, status()) == []
    assert ordered(nvr_orders.Wanted(fault=""), failed, status()) == [("clear", {})]
    assert ordered(nvr_orders.Wanted(fault=""), {**failed, "cleared": True}, status()) == []
    assert ordered(nvr_orders.Wanted(), failed, status()) == []


def test_s56_a_server_is_removed_once() -> None:
    gone = nvr_orders.Wanted(detached=True, force=True)
    assert ordered(gone, {}, status()) == [("detach", {"force": True})]
    assert ordered(gone, {"detached": True}, status()) == []


def test_what_is_waited_for_is_told() -> None:
    on = nvr_orders.Wanted(maintenance=True)
    assert nvr_orders.waits_for(on, status()) == ["rec1 still carries north (why)"]
    assert nvr_orders.waits_for(on, status(carrier="stby1", state="MAINTENANCE")) == []
    off = nvr_orders.Wanted(maintenance=False)
    assert nvr_orders.waits_for(off, status(state="MAINTENANCE")) == ["rec1 is MAINTENANCE (why)"]
    home = nvr_orders.Wanted(carriers={"north": "home"})
    assert nvr_orders.waits_for(home, status(carrier="stby1")) == ["north is carried by stby1, not by rec1"]
    assert nvr_orders.waits_for(home, status(carrier=None)) == ["north is carried by nobody, not by rec1"]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (nvr_orders.Wanted(carriers={"nord": "home"}), "no logical server 'nord'; allowed: north"),
        (nvr_orders.Wanted(carriers={"north": "rec9"}), "'rec9' cannot carry it; allowed: home, rec1, stby1"),
        (nvr_orders.Wanted(until="2026-11-23T10:00:00Z"), "belongs to maintenance: true"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_in_a_sentence(wanted: nvr_orders.Wanted, says: str) -> None:
    with pytest.raises(nvr_orders.OrdersError, match=says):
        nvr_orders.check(wanted, status())


@pytest.mark.parametrize("text", ["tomorrow", "2026-11-23T10:00:00"])
def test_a_time_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(nvr_orders.OrdersError, match=f"'{text}'.*allowed"):
        nvr_orders.parse_until(text)


class FakeAgent:
    """Drains at the second look after it was told to."""

    def __init__(self, path: Path) -> None:
        self.asked: list[str] = []
        self._carrier: str | None = "rec1"
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                request = json.loads(connection.makefile("rb").readline())
                connection.sendall(json.dumps({"ok": True, **self._answer(request)}).encode() + b"\n")

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request["op"])
        if self.asked.count("status") > 2 and "maintenance" in self.asked:
            self._carrier = "stby1"
        return {"status": status(carrier=self._carrier)} if request["op"] == "status" else CALM

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@contextmanager
def agent_at(path: Path) -> Iterator[FakeAgent]:
    agent = FakeAgent(path)
    thread = threading.Thread(target=agent.serve)
    thread.start()
    try:
        yield agent
    finally:
        agent.close()
        thread.join()


def options(path: Path, **given: Any) -> dict[str, Any]:
    defaults = {name: spec.get("default") for name, spec in failover_set.SPEC.items()}
    return {**defaults, "socket": str(path), "wait": 5.0, "timeout": 2.0, "keys": str(path) + ".keys", **given}


def test_it_orders_and_waits_until_nothing_is_carried(tmp_path: Path) -> None:
    with agent_at(tmp_path / "s") as agent:
        result = failover_set.run(options(tmp_path / "s", maintenance=True), check_mode=False)
    assert (result["changed"], result["carried"]) == (True, [])
    assert result["diff"] == {"before": "maintenance: off\n", "after": "maintenance: on\n"}
    assert agent.asked[:3] == ["status", "orders", "maintenance"]


def test_check_mode_orders_nothing(tmp_path: Path) -> None:
    with agent_at(tmp_path / "s") as agent:
        result = failover_set.run(options(tmp_path / "s", maintenance=True), check_mode=True)
    assert result["changed"]
    assert agent.asked == ["status", "orders"]


def test_what_is_not_so_in_time_fails_with_the_reason(tmp_path: Path) -> None:
    with agent_at(tmp_path / "s"), pytest.raises(nvr_orders.OrdersError, match=r"after 0 s: north is carried by rec1"):
        failover_set.run(options(tmp_path / "s", carriers={"north": "stby1"}, wait=0.0), check_mode=False)


def test_s56_the_keys_of_logical_servers_go_with_a_removed_server(tmp_path: Path) -> None:
    keys = tmp_path / "s.keys"
    keys.mkdir()
    (keys / "north.key").write_text("secret")
    with agent_at(tmp_path / "s") as agent:
        agent._carrier = None
        result = failover_set.run(options(tmp_path / "s", detached=True), check_mode=False)
    assert result["changed"]
    assert not keys.exists()


def test_an_agent_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(nvr_agent.AgentError, match="No such file"):
        failover_set.run(options(tmp_path / "s", maintenance=True), check_mode=False)


def test_f01_gaps_are_asked_for_the_span_and_the_longest_is_told() -> None:
    params = {"from": "2026-11-23T10:00:00Z", "to": None, "command": "understudy"}
    assert gaps_info.words(params) == ["understudy", "gaps", "--json", "--from", "2026-11-23T10:00:00Z"]
    gaps = [{"length_s": 0.4}, {"length_s": 1.2}]
    assert gaps_info.result({"gaps": gaps, "silent": ["rec2"]}) == {"gaps": gaps, "longest_s": 1.2, "silent": ["rec2"]}
    assert gaps_info.result({"gaps": [], "silent": []})["longest_s"] == 0.0

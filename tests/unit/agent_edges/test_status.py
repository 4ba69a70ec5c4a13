"""The status document against docs/reference/interfaces.md."""

from __future__ import annotations

from typing import Any

import msgspec
from understudy.arbitration.register import Owner
from understudy.failover import status
from understudy.failover.facts import Facts
from understudy.failover.memory import NEVER, State
from understudy.failover.model import Heartbeat, Memory, Observation, Peer, Phase
from understudy.failover.site_view import site_of
from understudy.failover.step import initial
from understudy.site.plan import Logical, LogicalAddress, Plan, Server

PLAN = Plan(
    version=1,
    site="lab",
    node="stby1",
    servers=(
        Server(name="wit", kind="witness"),
        Server(name="stby2", kind="standby", rank=1),
        Server(name="stby1", kind="standby", rank=0),
        Server(name="rec1", kind="server"),
    ),
    logical=(Logical(name="north", home="rec1", addresses=(LogicalAddress(nic="cli0", address="198.18.31.101/32"),)),),
)
CAMERA = {
    "number": 1,
    "name": "Gate",
    "mode": "pre-roll",
    "frames": 9,
    "last_frame_age_s": 0.04,
    "first_frame_wall_s": None,
    "ring_s": 15.0,
    "engine": "native",
    "engine_reason": None,
    "error": None,
}
PROGRESS = {"parts": {"north": {"mode": "preroll", "cameras": [CAMERA]}}}
NOW_S = 1000.0


def said(node: str, state: Phase, **fields: Any) -> Heartbeat:
    return Heartbeat(node=node, boot="b", state=state, register_ok=True, **fields)


def peer(heartbeat: Heartbeat, age_s: float = 0.1) -> Peer:
    return Peer(heartbeat=heartbeat, heard_s={"cli0": NOW_S - age_s, "cam0": NOW_S - age_s - 5})


REC1 = said("rec1", Phase.SERVING, parts={"north": Phase.SERVING}, carries=("north",), rows={"north": 109})


def state(node: str = "stby1") -> State:
    made = initial(site_of(msgspec.structs.replace(PLAN, node=node)), "boot", Memory(boot="boot"), NOW_S - 60)
    made.answered_s = NOW_S - 0.1
    for part in made.parts.values():
        part.phase, part.reason = Phase.STANDBY, "stands by"
    return made


def document(
    peers: dict[str, Peer], made: State | None = None, progress: dict[str, Any] | None = None
) -> dict[str, Any]:
    made = made or state()
    facts = Facts(made, Observation(now_s=NOW_S, peers=peers))
    plan = msgspec.structs.replace(PLAN, node=made.site.node)
    return status.document(plan, facts, PROGRESS if progress is None else progress, 1795427000.25)


def test_s04_the_site_with_everything_well() -> None:
    found = document({"rec1": peer(REC1), "wit": peer(said("wit", Phase.STANDBY), 0.2)})
    assert list(found) == ["version", "site", "node", "time", "protection", "servers", "logical", "register"]
    assert (found["version"], found["site"], found["node"]) == (1, "lab", "stby1")
    assert found["time"] == "2026-11-23T09:43:20.250Z"
    assert found["protection"] == {"state": "PROTECTED", "reason": ""}
    told = [(s["name"], s["kind"], s["state"], s["rank"], s["reachable"], s["age_s"]) for s in found["servers"]]
    assert told == [
        ("rec1", "server", "SERVING", None, True, 0.1),
        ("stby1", "standby", "PRIMARY STANDBY", 0, True, 0.0),
        ("stby2", "standby", "UNREACHABLE", None, False, None),
        ("wit", "witness", "STANDBY", None, True, 0.2),
    ]
    shown = ("number", "name", "mode", "frames", "last_frame_age_s", "engine", "engine_reason", "error")
    camera = {key: CAMERA[key] for key in shown}
    assert found["logical"] == [
        {
            "name": "north",
            "home": "rec1",
            "carrier": "rec1",
            "state": "SERVING",
            "epoch": None,
            "addresses": ["198.18.31.101"],
            "standbys": [
                {"name": "stby1", "choice": 0, "in_line": True, "reason": "stby1 may take north, as any standby"},
                {"name": "stby2", "choice": 0, "in_line": False, "reason": "stby2 may take north, as any standby"},
            ],
            "why": {"server": "rec1", "row": 109, "reason": "the register confirms its own part"},
            "cameras": [camera],
        }
    ]


def test_f17_the_document_tells_the_register_and_the_epoch_that_was_read_from_it() -> None:
    made = state()
    made.owners = {"north": Owner(node="rec1", epoch=7)}
    found = document({"rec1": peer(REC1)}, made)
    assert found["logical"][0]["epoch"] == 7
    assert found["register"] == {"age_s": 0.1, "trouble": ""}
    made.answered_s, made.trouble = NEVER, "north: epoch 7 is older than 8"
    assert document({}, made)["register"] == {"age_s": None, "trouble": "north: epoch 7 is older than 8"}


def test_a_silent_carrier_is_unreachable_and_its_part_down() -> None:
    found = document({"rec1": peer(REC1, age_s=2.0)})
    assert found["servers"][0]["state"] == "UNREACHABLE"
    assert "silent on every network for 2.0 s; was SERVING" in found["servers"][0]["reason"]
    assert (found["logical"][0]["carrier"], found["logical"][0]["state"]) == (None, "DOWN")
    assert found["protection"] == {"state": "UNPROTECTED", "reason": "north is carried by nobody"}


def test_a_part_taken_over_by_the_only_standby_leaves_the_site_unprotected() -> None:
    made = state()
    made.holding = frozenset({"north"})
    made.parts["north"].phase = Phase.TAKEN_OVER
    found = document({}, made)
    assert (found["logical"][0]["carrier"], found["logical"][0]["state"]) == ("stby1", "TAKEN_OVER")
    assert found["protection"]["reason"] == "no standby can take over now: north away from home"


def test_a_server_sees_parts_that_are_none_of_its_business() -> None:
    carrier = said("stby2", Phase.HANDING_BACK, parts={"north": Phase.HANDING_BACK}, carries=("north",), room=0)
    found = document({"stby2": peer(carrier)}, state("wit"), {})
    assert (found["logical"][0]["carrier"], found["logical"][0]["state"]) == ("stby2", "HANDING_BACK")
    assert found["logical"][0]["cameras"] == []


def test_without_the_register_nothing_is_protected() -> None:
    made = state()
    made.answered_s = NEVER
    assert "register does not answer" in document({"rec1": peer(REC1)}, made)["protection"]["reason"]


def test_a_register_that_is_not_believed_protects_nothing() -> None:
    made = state()
    made.trouble = "the register's epoch of north is 1, 3 was seen: stale, lost or restored"
    protection = document({"rec1": peer(REC1)}, made)["protection"]
    assert protection["state"] == "UNPROTECTED"
    assert made.trouble in protection["reason"]


def test_f05_status_says_whose_choice_a_standby_is() -> None:
    servers = tuple(
        msgspec.structs.replace(s, group={"stby1": "a", "stby2": "b"}.get(s.name, ""), location="hall1")
        for s in PLAN.servers
    )
    north = msgspec.structs.replace(PLAN.part("north"), groups=("a", "b"), locations=("hall1",))
    plan = msgspec.structs.replace(PLAN, servers=servers, logical=(north,))
    assert site_of(plan).parts[0].choice == {"stby1": 0, "stby2": 1}
    assert status.choice(plan, "north", "stby2") == "stby2 is second choice for north: group b"
    elsewhere = msgspec.structs.replace(north, locations=("hall2",), groups=())
    plan = msgspec.structs.replace(plan, logical=(elsewhere,))
    assert site_of(plan).parts[0].choice == {}
    assert status.choice(plan, "north", "stby1") == "stby1 is at hall1, north is only for hall2"


def test_f05_a_standby_of_another_group_protects_nothing() -> None:
    servers = tuple(
        msgspec.structs.replace(s, group={"stby1": "a", "stby2": "b"}.get(s.name, "")) for s in PLAN.servers
    )
    plan = msgspec.structs.replace(
        PLAN, servers=servers, logical=(msgspec.structs.replace(PLAN.part("north"), groups=("b",)),)
    )
    made = initial(site_of(plan), "boot", Memory(boot="boot"), NOW_S - 60)
    made.answered_s = NOW_S - 0.1
    peers = {"rec1": peer(REC1)}
    protection = status.document(plan, Facts(made, Observation(now_s=NOW_S, peers=peers)), {}, 0.0)["protection"]
    assert protection == {"state": "UNPROTECTED", "reason": "no standby that may take north can take over now"}
    peers["stby2"] = peer(said("stby2", Phase.STANDBY, room=1))
    found = status.document(plan, Facts(made, Observation(now_s=NOW_S, peers=peers)), {}, 0.0)
    assert found["protection"]["state"] == "PROTECTED"
    assert [(s["name"], s["in_line"]) for s in found["logical"][0]["standbys"]] == [("stby2", True), ("stby1", False)]


def test_f13_status_says_why_with_the_row() -> None:
    made = state()
    made.holding = frozenset({"north"})
    made.parts["north"].phase, made.parts["north"].row, made.parts["north"].reason = Phase.TAKEN_OVER, 501, "won"
    assert document({}, made)["logical"][0]["why"] == {"server": "stby1", "row": 501, "reason": "won"}

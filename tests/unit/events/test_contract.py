"""What events read of other parts is what these really say: the agent's status document, the recorder's progress."""

from __future__ import annotations

from typing import Any

import depot
from msgspec.structs import replace
from understudy.events.actions import hindrance
from understudy.events.facts import Facts, Readings, facts_of, reachable
from understudy.failover import status
from understudy.failover.facts import Facts as AgentFacts
from understudy.failover.memory import State
from understudy.failover.model import Heartbeat, Memory, Observation, Peer, Phase
from understudy.failover.orders import Orders
from understudy.failover.site_view import site_of
from understudy.failover.step import initial
from understudy.recorder import fleet

NOW_S = 1000.0


def heard(name: str, part: str, phase: Phase = Phase.SERVING, **said: Any) -> Peer:
    beat = Heartbeat(node=name, boot="b", state=phase, register_ok=True, parts={part: phase}, rows={part: 109}, **said)
    return Peer(heartbeat=beat, heard_s={"eno1": NOW_S - 0.1})


SERVING = {"rec1": heard("rec1", "north", carries=("north",)), "rec2": heard("rec2", "south", carries=("south",))}


def standby(**phases: Phase) -> State:
    made = initial(site_of(depot.plan("stby1")), "boot", Memory(boot="boot"), NOW_S - 60)
    made.answered_s = NOW_S - 0.1
    for part in made.parts.values():
        part.phase, part.reason = phases.get(part.name, Phase.STANDBY), "stands by"
        part.row = 107
    return made


def told(made: State, peers: dict[str, Peer], **seen: Any) -> dict[str, Any]:
    observation = replace(Observation(now_s=NOW_S, peers=peers), **seen)
    return status.document(depot.plan("stby1"), AgentFacts(made, observation), {}, depot.WALL_S, seen.pop("quorum", ""))


def facts(document: dict[str, Any]) -> Facts:
    return facts_of(depot.plan("stby1"), Readings(), None, document, (), "silent")


def test_a_site_that_is_well() -> None:
    document = told(standby(), SERVING)
    found = facts(document)
    assert (found.carries, found.unprotected, found.quorum, found.standby_busy, found.standby_unfit) == (
        (),
        "",
        "",
        "",
        "",
    )
    assert reachable(document) == {"rec1", "rec2", "stby1"}
    assert found.speaker is False
    assert hindrance(depot.plan("stby1"), document) == ""
    assert hindrance(depot.plan("rec1"), document) == ""


def test_a_standby_that_carries_is_busy_and_nobody_could_take_its_part() -> None:
    made = standby(north=Phase.TAKEN_OVER)
    made.holding = frozenset({"north"})
    document = told(made, {"rec2": SERVING["rec2"]})
    found = facts(document)
    assert found.carries == ("north",)
    assert "no standby can take over now" in (found.unprotected or "")
    assert found.standby_busy == "stby1 carries north"
    assert found.standby_unfit is None
    assert reachable(document) == {"rec2", "stby1"}
    assert hindrance(depot.plan("stby1"), document) == "nobody could take north now"


def test_an_unfit_standby_says_why() -> None:
    found = facts(told(standby(), SERVING, unfit=("disk letter C is missing",)))
    assert "disk letter C is missing" in (found.standby_unfit or "")


def test_maintenance_shows_in_the_reason_of_the_server() -> None:
    document = told(standby(), SERVING, orders=Orders(maintenance="until 2026-11-23T12:00:00Z"))
    own = next(server for server in document["servers"] if server["name"] == "stby1")
    assert "in maintenance" in own["reason"]


def test_a_camera_that_is_off_has_every_field_that_is_read() -> None:
    idle = fleet._Idle(1, "Gate")
    assert {"number", "mode", "last_frame_age_s", "ring_s", "error"} <= set(idle.__dataclass_fields__)

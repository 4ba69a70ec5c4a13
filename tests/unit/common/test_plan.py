"""The plan is read whole or refused with the place of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from understudy.site import plan


def document(**changes: Any) -> bytes:
    base: dict[str, Any] = {
        "version": 1,
        "site": "depot",
        "node": "stby2",
        "servers": [
            {"name": "rec1", "kind": "server"},
            {"name": "stby2", "kind": "standby", "rank": 1},
            {"name": "stby1", "kind": "standby", "rank": 0},
        ],
        "logical": [{"name": "north", "home": "rec1"}],
    }
    return json.dumps(base | changes).encode()


def test_a_plan_knows_its_server_its_parts_and_the_order_of_standbys() -> None:
    read = plan.decode(document(), "plan.json")
    assert read.me.name == "stby2"
    assert read.part("north").home == "rec1"
    assert [server.name for server in read.standbys] == ["stby1", "stby2"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": 2}, "version: 2, this release reads version 1"),
        ({"node": "rec9"}, "node: 'rec9' is not one of the servers"),
        ({"sevrers": []}, "unknown field `sevrers`"),
        ({"servers": [{"name": "rec1", "kind": "boss"}]}, r"Invalid enum value 'boss' - at `\$.servers\[0\].kind`"),
        ({"heartbeat_port": "4620"}, r"Expected `int`, got `str` - at `\$.heartbeat_port`"),
    ],
)
def test_a_wrong_plan_is_refused_with_file_and_place(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(plan.PlanError, match=r"^plan\.json: .*" + sentence):
        plan.decode(document(**changes), "plan.json")


def test_a_missing_plan_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(plan.PlanError, match=r"plan\.json: No such file or directory"):
        plan.load(tmp_path / "plan.json")

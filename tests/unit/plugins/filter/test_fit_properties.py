"""F06, what holds of the fit check whatever the site: it takes as the agent takes, and more capacity is never worse.

Two things are no exception but true: a standby put **before** another or into a better group takes parts that would
have fitted elsewhere, and one more standby is one more session on every camera it may take. Both have examples below.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

from ansible_collections.understudy.nvr.plugins.plugin_utils import site_needs
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_fit import COLOURS, Fit, fit
from hypothesis import given, settings
from hypothesis import strategies as st
from understudy.failover import order
from understudy.failover.model import Site
from understudy.failover.site_view import site_of
from understudy.site import plan as agent_plan

from .sites import camera, judged, planned, row, site, standby

GROUPS = ["east", "west"]
UNLIMITED, UNGROUPED = st.none(), st.just([])
kbits = st.none() | st.integers(1000, 40_000)


@st.composite
def cameras(draw: Any, sessions: Any) -> list[dict[str, Any]]:
    found = []
    for number in range(1, draw(st.integers(0, 4)) + 1):
        said = {"bit_rate_kbit": draw(kbits), "sessions": draw(sessions)}
        tracks = draw(st.sampled_from([["continuous"], ["short"], ["continuous", "short"]]))
        url = draw(st.sampled_from([f"rtsp://198.51.100.{100 + number}/1", "rtsp://203.0.113.9/1"]))
        told = {key: value for key, value in said.items() if value is not None}
        found.append(camera(number, url=url, tracks=tracks, **told))
    return found


@st.composite
def parts(draw: Any, sessions: Any, groups: Any) -> list[dict[str, Any]]:
    return [
        {"cameras": draw(cameras(sessions)), "priority": draw(st.integers(1, 3)), "groups": draw(groups)}
        for _ in range(draw(st.integers(1, 4)))
    ]


@st.composite
def sites(draw: Any, *, sessions: Any = UNLIMITED, groups: Any = UNGROUPED, spare: Any) -> dict[str, Any]:
    letters = {
        name: {"path": f"/srv/{name}", "free_floor_mb": 0, "size_gb": draw(sizes), "write_mb_s": draw(rates)}
        for name, sizes, rates in (
            ("C", st.integers(50, 2000), st.integers(1, 20)),
            ("D", st.integers(50, 300), st.integers(1, 20)),
        )
    }
    spares = [draw(spare(number)) for number in range(1, draw(st.integers(0, 3)) + 1)]
    return site(draw(parts(sessions, groups)), spares, disks=letters)


@st.composite
def weak(draw: Any, number: int) -> dict[str, Any]:
    """A standby of whatever hardware, in no group."""
    said = standby(number, licence={"channels": draw(st.integers(0, 8))}, takeover_limit=draw(st.integers(1, 2)))
    nics = draw(st.sampled_from([["eno1", "eno2"], ["eno1"], ["eno2"]]))
    return {**said, "addresses": {nic: said["addresses"][nic] for nic in nics}}


@st.composite
def grouped(draw: Any, number: int) -> dict[str, Any]:
    """A standby of the one hardware, in a group, that carries one part."""
    return standby(number, licence={"channels": 3}, group=draw(st.sampled_from(GROUPS)))


@st.composite
def any_line(draw: Any, number: int) -> dict[str, Any]:
    return standby(number, group=draw(st.sampled_from(GROUPS)), takeover_limit=draw(st.integers(1, 3)))


any_groups = st.sampled_from([[], ["east"], ["west"], ["east", "west"], ["west", "east"]])


def colours(data: dict[str, Any]) -> dict[tuple[str, ...], int]:
    return {tuple(one["failed"]): COLOURS.index(one["colour"]) for one in judged(data)["rows"]}


def assert_never_worse(before: dict[str, Any], after: dict[str, Any]) -> None:
    was, now = colours(before), colours(after)
    assert was.keys() == now.keys()
    assert {failed: (was[failed], now[failed]) for failed in was if now[failed] > was[failed]} == {}


@settings(max_examples=60, deadline=None)
@given(data=sites(sessions=st.none() | st.integers(1, 4), groups=any_groups, spare=any_line), pick=st.randoms())
def test_f06_removing_a_camera_makes_no_colour_worse(data: dict[str, Any], pick: Any) -> None:
    after = copy.deepcopy(data)
    full = [part for part in after["logical"].values() if part["cameras"]]
    if full:
        chosen = pick.choice(full)["cameras"]
        chosen.pop(pick.randrange(len(chosen)))
    assert_never_worse(data, after)


@settings(max_examples=60, deadline=None)
@given(data=sites(spare=weak))
def test_f06_a_standby_as_good_as_the_best_at_the_end_of_the_line_makes_no_colour_worse(data: dict[str, Any]) -> None:
    after = copy.deepcopy(data)
    after["standbys"]["last"] = standby(9, licence={"channels": 8}, takeover_limit=2)
    assert_never_worse(data, after)


@settings(max_examples=60, deadline=None)
@given(data=sites(groups=any_groups, spare=grouped), last=grouped(9))
def test_f06_a_standby_of_the_same_hardware_in_any_group_makes_no_colour_worse(
    data: dict[str, Any], last: dict[str, Any]
) -> None:
    after = copy.deepcopy(data)
    after["standbys"]["last"] = last
    assert_never_worse(data, after)


def test_f06_a_weaker_standby_put_first_is_worse_and_is_shown() -> None:
    good, weaker = standby(1), standby(2, licence={"channels": 0})
    data = site([{"cameras": [camera(1)]}], [good])
    assert row(judged(data), "rec1")["colour"] == "green"
    data["standbys"] = {"weaker": weaker, **data["standbys"]}
    assert row(judged(data), "rec1")["reason"] == "weaker has 0 channels, 1 are needed for part1."


def test_f06_a_standby_more_is_a_session_more_on_every_camera() -> None:
    part = {"cameras": [camera(1, sessions=2)]}
    found = [row(judged(site([part], [standby(n) for n in range(count)])), "rec1")["colour"] for count in (1, 2, 3)]
    assert found == ["green", "amber", "red"]


@settings(max_examples=60, deadline=None)
@given(data=sites(groups=any_groups, spare=any_line))
def test_f05_who_takes_what_is_what_the_agents_decide(data: dict[str, Any]) -> None:
    """Every end that the agents can come to is judged. Between groups, where an agent does not know all parts, one end
    more may be."""
    plan, said = planned(data)
    needs, standbys = site_needs.parts(plan, said), site_needs.standbys(plan, said, {})
    check = Fit(needs, standbys, None)
    agents = [site_of(agent_plan.decode(json.dumps({**plan, "node": s.name}).encode(), "plan")) for s in standbys]
    rooms = {standby.name: standby.limit for standby in standbys}
    for pair in combinations(needs, 2):
        names = [part.name for part in pair]
        at_once = list(outcomes(agents, names, rooms))
        in_turn = [
            second
            for turn in (names, names[::-1])
            for first in outcomes(agents, turn[:1], rooms)
            for second in outcomes(agents, turn, less(rooms, first), first)
        ]
        found = check.takings(list(pair))
        known = [{part: who for part, who in taking.items() if who is not None} for taking in found]
        assert [one for one in [*at_once, *in_turn] if one not in known] == [], known
        if not any(part["groups"] for part in plan["logical"]):
            assert [one for one in known if one not in [*at_once, *in_turn]] == []


def less(rooms: dict[str, int], taken: dict[str, str]) -> dict[str, int]:
    return {name: room - list(taken.values()).count(name) for name, room in rooms.items()}


def outcomes(
    agents: list[Site], names: list[str], rooms: dict[str, int], taken: dict[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """How it can end when `names` are suspected: each agent judges by its own order, knowing its own parts only.

    Those whose turn it is claim at once, one of them wins each part; then all judge anew.
    """
    taken = taken or {}
    slots = [name for level in range(max(rooms.values(), default=0)) for name, room in rooms.items() if room > level]
    claims: list[tuple[int, str, str]] = []
    for agent in agents:
        mine, places = {part.name for part in agent.mine}, set[int]()
        if rooms[agent.node] > 0:
            open_ = [name for name in names if name in mine and name not in taken]
            turns = sorted((order._turns(agent, name, slots, places), n, name) for n, name in enumerate(open_))
            claims += [(turn, agent.node, name) for turn, _n, name in turns[: rooms[agent.node]]]
    if not claims:
        yield taken
        return
    now = min(turn for turn, _node, _name in claims)
    wanted = {name: [node for turn, node, one in claims if (turn, one) == (now, name)] for name in names}
    contested = [[(name, node) for node in nodes] for name, nodes in wanted.items() if nodes]
    for won in product(*contested):
        yield from outcomes(agents, names, less(rooms, dict(won)), {**taken, **dict(won)})


@settings(max_examples=30, deadline=None)
@given(data=sites(sessions=st.none() | st.integers(1, 4), groups=any_groups, spare=any_line))
def test_f06_two_failures_are_never_better_than_one_of_them(data: dict[str, Any]) -> None:
    rows = fit(*planned(data))["rows"]
    colour = {tuple(one["failed"]): one["colour"] for one in rows}
    if len(data["standbys"]) == 1:
        for failed in colour:
            assert all(COLOURS.index(colour[failed]) >= COLOURS.index(colour[(name,)]) for name in failed)
    assert [one["colour"] for one in rows] == sorted((one["colour"] for one in rows), key=COLOURS.index, reverse=True)

"""What the page asks: the site at a glance, what happened, orders of admins; and that the API is what it says it is."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from recordings import Node
from test_sessions import log_in, server
from understudy import control
from understudy.footage.peers import Peers
from understudy.web import app, openapi, page_routes
from understudy.web.incidents import decisions, incidents
from understudy.web.services import Services
from understudy.web.site_routes import read_decisions

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = json.loads(openapi.BODY)
Story = Callable[[Any, Services, "Agent"], Awaitable[None]]


class Agent:
    """The agent of rec1, as far as the page asks it; `asked` is what it was told to do."""

    def __init__(self, carrier: str | None = "rec1") -> None:
        self.carrier = carrier
        self.asked: list[control.Document] = []

    async def status(self, _: control.Document) -> control.Document:
        logical = [{"name": name, "carrier": self.carrier, "cameras": []} for name in ("north", "south")]
        servers = [{"name": "rec1", "state": "SERVING"}]
        return {"status": {"node": "rec1", "time": "2026-11-27T10:00:00.000Z", "servers": servers, "logical": logical}}

    async def order(self, request: control.Document) -> control.Document:
        if request["op"] == "move" and request["server"] != "stby1":
            raise control.ControlError(f"{request['server']!r} cannot carry {request['logical']}; allowed: stby1")
        self.asked.append(request)
        return {"maintenance": True, "carries": ["north"]} if request["op"] == "maintenance" else {"done": True}


def play(root: Path, story: Story, carrier: str | None = "rec1") -> None:
    async def run() -> None:
        services, agent = server(root, "rec1"), Agent(carrier)
        orders = dict.fromkeys(("maintenance", "handback", "move", "clear"), agent.order)
        listening = await control.serve(root / "agent.sock", {"status": agent.status, **orders})
        async with services.peers, TestClient(TestServer(app.make_app(services))) as client:
            await story(client, services, agent)
        listening.close()

    asyncio.run(run())


# -- the site at a glance --------------------------------------------------------------------------


def test_s50_one_request_tells_the_site_disks_and_footage_on_its_way_home(tmp_path: Path) -> None:
    async def story(client: Any, services: Services, agent: Agent) -> None:
        rows = Node(tmp_path, "stby1").record("stby1-a", 0, 9)
        services.catalogue.put(rows)

        async def progress(_: control.Document) -> control.Document:
            disk = {"state": "ok", "free_bytes": 1, "total_bytes": 2, "error": None}
            return {"disks": {"C": disk}, "parts": {}, "clock": "the clock jumped"}

        recorder = await control.serve(tmp_path / "recorder.sock", {"progress": progress})
        headers, _ = await log_in(client)
        told = await (await client.get("/api/v1/site", headers=headers)).json()
        assert told["status"]["logical"][0]["name"] == "north"
        assert told["disks"]["rec1"]["C"]["state"] == "ok"
        assert told["clocks"] == {"rec1": "the clock jumped"}
        assert told["copies"] == {"north": {"segments": len(rows), "bytes": sum(row.bytes for row in rows)}}
        assert told["silent"] == ["rec2", "stby1"]
        recorder.close()

    play(tmp_path, story)


def test_without_any_agent_the_page_is_told_why(tmp_path: Path) -> None:
    async def run() -> None:
        services = server(tmp_path, "rec1")
        async with services.peers, TestClient(TestServer(app.make_app(services))) as client:
            headers, _ = await log_in(client)
            answer = await client.get("/api/v1/site", headers=headers)
            assert answer.status == 503
            assert "agent.sock" in (await answer.json())["detail"]

    asyncio.run(run())


# -- what happened ---------------------------------------------------------------------------------


def line(second: float, row: int, before: str, after: str, reason: str = "why", part: str = "north") -> dict[str, Any]:
    time = f"2026-11-27T10:{int(second) // 60:02d}:{second % 60:06.3f}Z"
    return {
        "time": time,
        "row": row,
        "part": part,
        "before": before,
        "after": after,
        "reason": reason,
        "facts": {"a": 1},
    }


STBY1 = [
    line(0, 301, "STANDBY", "SHADOWING", "its carrier is silent: rec1 not heard for 1.0 s"),
    line(3, 403, "SHADOWING", "CLAIMING"),
    line(3.1, 501, "CLAIMING", "TAKEN_OVER"),
    line(9, 602, "TAKEN_OVER", "TAKEN_OVER"),
    line(15, 605, "TAKEN_OVER", "HANDING_BACK", "its home is back: rec1 healthy for 30 s"),
    line(16, 702, "HANDING_BACK", "STANDBY"),
    line(200, 301, "STANDBY", "SHADOWING"),
    line(201, 401, "SHADOWING", "STANDBY", "a false alarm"),
]
REC1 = [line(1, 101, "STARTING", "STARTING", part=""), line(15.5, 803, "RETURNING", "SERVING")]


def test_f13_a_takeover_and_the_return_are_two_stories_told_by_both_servers() -> None:
    found = incidents(decisions({"stby1": STBY1, "rec1": REC1}))
    assert [each["title"] for each in found] == ["north back home on rec1", "north taken over by stby1"]
    assert [each["kind"] for each in found] == ["return", "takeover"]
    assert found[0]["cause"] == "its home is back: rec1 healthy for 30 s"
    assert found[1]["cause"] == "its carrier is silent: rec1 not heard for 1.0 s"
    assert [(each["server"], each["row"]) for each in found[0]["story"]] == [
        ("stby1", 605),
        ("rec1", 803),
        ("stby1", 702),
    ]


@pytest.mark.parametrize(
    "moves",
    [
        ["STARTING", "SERVING"],
        ["STARTING", "CLAIMING", "SERVING"],
        ["STARTING", "TAKEN_OVER"],
        ["STANDBY", "SHADOWING", "STANDBY"],
        ["TAKEN_OVER", "HANDING_BACK", "TAKEN_OVER"],
    ],
)
def test_what_moves_nothing_is_no_incident(moves: list[str]) -> None:
    rows = [line(second, 1, before, after) for second, (before, after) in enumerate(pairwise(moves))]
    assert incidents(decisions({"rec1": rows})) == []


def test_a_carrier_that_loses_the_register_is_an_outage() -> None:
    (found,) = incidents(decisions({"rec1": [line(0, 205, "SERVING", "ISOLATED", "the deadline passed")]}))
    assert (found["kind"], found["title"]) == ("outage", "north without a carrier")


def test_what_is_no_decision_is_left_out() -> None:
    wrong: list[dict[str, Any]] = [{}, {"time": "now"}, {**STBY1[0], "row": "x"}, {**STBY1[0], "time": "today"}]
    assert decisions({"stby1": wrong}) == []


def test_incidents_come_from_the_decision_logs_of_all_servers_that_answer(tmp_path: Path) -> None:
    async def story(client: Any, services: Services, agent: Agent) -> None:
        log = tmp_path / "decisions.jsonl"
        object.__setattr__(services, "decision_log", log)
        log.write_text("".join(json.dumps(row) + "\n" for row in STBY1) + '{"torn')
        headers, _ = await log_in(client)
        told = await (await client.get("/api/v1/incidents?since=2026-11-27T00:00:00%2B01:00", headers=headers)).json()
        assert [each["title"] for each in told["incidents"]] == ["north taken over by rec1"]
        assert set(told["silent"]) == {"rec2", "stby1"}
        assert (await client.get("/api/v1/incidents?since=now", headers=headers)).status == 400
        later = await (await client.get("/api/v1/decisions?since=2026-11-27T10:00:10Z", headers=headers)).json()
        assert [row["row"] for row in later["decisions"]] == [605, 702, 301, 401]
        assert "facts" not in later["decisions"][0]

    play(tmp_path, story)


def test_decisions_from_before_the_log_was_turned_over_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "decisions.jsonl.1").write_text(json.dumps(STBY1[0]) + "\n")
    (tmp_path / "decisions.jsonl").write_text(json.dumps(STBY1[1]) + "\n")
    assert [row["row"] for row in read_decisions(tmp_path / "decisions.jsonl", 0)] == [301, 403]
    assert read_decisions(tmp_path / "none.jsonl", 0) == []


# -- orders ----------------------------------------------------------------------------------------

ORDERS = [
    ("/api/v1/servers/rec1/maintenance", {"on": True, "until": "2026-11-27T12:00:00+01:00"}),
    ("/api/v1/servers/rec1/clear", {}),
    ("/api/v1/logical/north/handback", {}),
    ("/api/v1/logical/north/move", {"server": "stby1"}),
]


@pytest.mark.parametrize(("path", "body"), ORDERS)
def test_f03_an_admin_orders_from_the_page_and_the_agent_does_it(
    tmp_path: Path, path: str, body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def story(client: Any, services: Services, agent: Agent) -> None:
        headers, _ = await log_in(client, "admin")
        answer = await client.post(path, json=body, headers={**headers, "X-Forwarded-For": "192.0.2.7"})
        assert answer.status == 200, await answer.text()
        (asked,) = agent.asked
        assert asked["op"] == path.rpartition("/")[2]
        if asked["op"] == "maintenance":
            assert (asked["until_wall_s"], asked["until"]) == (1795777200.0, "2026-11-27T11:00:00Z")
        assert "audit: admin from 192.0.2.7" in caplog.text

    play(tmp_path, story)


@pytest.mark.parametrize(("path", "body"), ORDERS)
def test_nobody_but_an_admin_on_our_own_page_orders_anything(tmp_path: Path, path: str, body: dict[str, Any]) -> None:
    async def story(client: Any, services: Services, agent: Agent) -> None:
        admin, _ = await log_in(client, "admin")
        viewer, _ = await log_in(client, "guard")
        a_server = {"X-Client-Verify": "SUCCESS", "X-Client-CN": "stby1"}
        tries = [
            ({}, 401),
            (a_server, 401),
            (viewer, 403),
            ({"Cookie": admin["Cookie"]}, 403),
            ({**admin, "X-CSRF-Token": viewer["X-CSRF-Token"]}, 403),
            ({**admin, "Sec-Fetch-Site": "cross-site"}, 403),
            ({**a_server, "Cookie": viewer["Cookie"], "X-CSRF-Token": viewer["X-CSRF-Token"]}, 403),
        ]
        for headers, status in tries:
            assert (await client.post(path, json=body, headers=headers)).status == status
        assert agent.asked == []

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/api/v1/servers/rec9/maintenance", {"on": True}, 404, "no server 'rec9'"),
        ("/api/v1/servers/rec1/maintenance", {"on": "yes"}, 400, "bool"),
        ("/api/v1/servers/rec1/maintenance", {"on": True, "until": "later"}, 400, "until: 'later' is no time"),
        ("/api/v1/servers/stby1/maintenance", {"on": True}, 503, "stby1 does not answer"),
        ("/api/v1/servers/stby1/maintenance?passed", {"on": True}, 409, "this is rec1, not stby1"),
        ("/api/v1/logical/east/handback", {}, 404, "no logical server 'east'"),
        ("/api/v1/logical/north/move", {"server": "rec9"}, 409, "'rec9' cannot carry north; allowed: stby1"),
        ("/api/v1/logical/north/move", {}, 400, "server"),
        ("/api/v1/logical/north/move", {"server": "x" * 5000}, 413, "no order"),
    ],
)
def test_an_order_that_cannot_be_done_says_why(
    tmp_path: Path, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    async def story(client: Any, services: Services, agent: Agent) -> None:
        headers, _ = await log_in(client, "admin")
        answer = await client.post(path, json=body, headers=headers)
        assert answer.status == status
        assert said in (await answer.json())["detail"]
        assert agent.asked == []

    play(tmp_path, story)


def test_what_nobody_carries_cannot_be_moved(tmp_path: Path) -> None:
    async def story(client: Any, services: Services, agent: Agent) -> None:
        headers, _ = await log_in(client, "admin")
        answer = await client.post("/api/v1/logical/north/handback", json={}, headers=headers)
        assert answer.status == 409
        assert (await answer.json())["detail"] == "no server carries north now"

    play(tmp_path, story, carrier=None)


def test_an_order_for_another_server_goes_there_with_the_persons_own_session(tmp_path: Path) -> None:
    async def run() -> None:
        agent = Agent()
        (tmp_path / "there").mkdir()
        there = server(tmp_path, "stby1")
        object.__setattr__(there, "agent_socket", tmp_path / "there" / "agent.sock")
        listening = await control.serve(there.agent_socket, {"maintenance": agent.order})
        async with TestServer(app.make_app(there)) as behind:
            here = server(tmp_path, "rec1")
            peers = Peers(here.plan, None, url=lambda _: str(behind.make_url("")).rstrip("/"))
            object.__setattr__(here, "peers", peers)
            async with peers, TestClient(TestServer(app.make_app(here))) as client:
                headers, _ = await log_in(client, "admin")
                answer = await client.post("/api/v1/servers/stby1/maintenance", json={"on": False}, headers=headers)
                assert answer.status == 200, await answer.text()
        assert [request["on"] for request in agent.asked] == [False]
        listening.close()

    asyncio.run(run())


# -- the page --------------------------------------------------------------------------------------


def test_the_page_is_for_everybody_shows_nothing_of_the_site_and_asks_nobody_else(tmp_path: Path) -> None:
    async def story(client: Any, services: Services, agent: Agent) -> None:
        answer = await client.get("/")
        assert (answer.status, answer.content_type) == (200, "text/html")
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        text = await answer.text()
        named = re.findall(r'(?:src|href)="([^"]+)"', text)
        assert named
        for url in named:
            assert (await client.get(url)).status == 200
        tag = answer.headers["ETag"]
        assert (await client.get("/", headers={"If-None-Match": tag})).status == 304
        for path in ("/ui/none.js", "/ui/../app.py", "/ui/..%2Fapp.py", "/ui/", "/ui/vendor"):
            assert (await client.get(path)).status in (401, 404)
        assert (await client.get("/api/v1/session")).headers["X-Content-Type-Options"] == "nosniff"

    play(tmp_path, story)


def test_no_file_of_the_page_has_an_address_of_another_host_or_inline_code() -> None:
    own = {name: asset for name, asset in page_routes.ASSETS.items() if not name.startswith("vendor/")}
    assert len(own) > 10
    for name, asset in own.items():
        text = asset.body.decode()
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == [], name
        assert "innerHTML" not in text, name
        assert not re.search(r"<style|\sstyle=|\son\w+=\"|javascript:", text), name
        assert len(text.splitlines()) < 400, name
        for imported in re.findall(r'from "\./([\w.]+)"', text):
            assert imported in own, name
    assert "Apache" in page_routes.ASSETS["vendor/hls.LICENSE.txt"].body.decode()


# -- the API describes itself ----------------------------------------------------------------------


def routes() -> set[tuple[str, str]]:
    return {
        (route.method.lower(), re.sub(r"{(\w+):[^}]*(?:{\d+})?}?}", r"{\1}", route.path))
        for resource in app.RESOURCES
        for route in resource.routes
        if isinstance(route.method, str)
    }


def test_every_route_is_in_the_openapi_document_and_nothing_else() -> None:
    described = {(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert routes() == described
    assert DOCUMENT["openapi"].startswith("3.1")
    names = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_every_operation_describes_its_path_and_refers_to_what_there_is() -> None:
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', openapi.BODY.decode()):
        found: Any = DOCUMENT
        for key in reference.split("/"):
            found = found[key]
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            told = [each.get("name") or each["$ref"].rpartition("/")[2] for each in operation.get("parameters", ())]
            assert [name for name in re.findall(r"{(\w+)}", path) if name not in told] == [], path


def test_who_may_ask_is_what_the_document_says(tmp_path: Path) -> None:
    async def story(client: Any, services: Services, agent: Agent) -> None:
        people, _ = await log_in(client)
        values = {"logical": "north", "camera": "1", "server": "rec1", "id": "x", "name": "app.js", "token": "0" * 32}
        for path, methods in DOCUMENT["paths"].items():
            for method, operation in methods.items():
                if path == "/api/v1/session":
                    continue
                url = re.sub(r"{(\w+)}", lambda found: values[found[1]], path)
                security = operation["security"]
                nobody = await client.request(method, url)
                asked = await client.request(method, url, headers={"Cookie": people["Cookie"]})
                if {} in security:
                    assert nobody.status != 401, path
                    continue
                assert nobody.status == 401, path
                for_people = any("session" in each for each in security)
                assert (asked.status != 401) == for_people, path

    play(tmp_path, story)


def test_answers_have_the_shape_that_the_document_promises(tmp_path: Path) -> None:
    async def story(client: Any, services: Services, agent: Agent) -> None:
        Node.record(_node(services), "rec1-a", 0, 3)
        headers, _ = await log_in(client)
        for path in ("/api/v1/session", "/api/v1/incidents", "/api/v1/decisions", "/api/v1/retention", "/api/v1/site"):
            document = await (await client.get(path, headers=headers)).json()
            fits(document, schema_of(path), path)
        timeline = await (await client.get("/api/v1/timeline/north/1", headers=headers)).json()
        fits(timeline, schema_of("/api/v1/timeline/{logical}/{camera}"), "timeline")
        problem = await (await client.get("/api/v1/timeline/north/x", headers=headers)).json()
        fits(problem, DOCUMENT["components"]["schemas"]["Problem"], "problem")
        assert (await (await client.get("/api/v1/openapi.json", headers=headers)).json()) == DOCUMENT

    play(tmp_path, story)


def _node(services: Services) -> Node:
    node = Node.__new__(Node)
    node.plan, node.name = services.plan, services.plan.node
    node.root = Path(services.plan.me.disks[0].path).parents[1]
    node.disks, node.catalogue = services.disks, services.catalogue
    return node


def schema_of(path: str) -> Any:
    return DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]


def fits(value: Any, schema: Any, where: str) -> None:
    """As much of JSON Schema as the document uses for these answers."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if where.endswith(".status"):  # the agent's own document, tested with the agent
        return
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": (int, float)}
    if "type" in schema:
        assert isinstance(value, kinds[schema["type"]]), where
    if "enum" in schema:
        assert value in schema["enum"], where
    for name in schema.get("required", ()):
        assert name in value, f"{where}.{name}"
    for name, below in schema.get("properties", {}).items():
        if name in value:
            fits(value[name], below, f"{where}.{name}")
    if schema.get("type") == "array":
        for each in value:
            fits(each, schema["items"], f"{where}[]")


def test_the_reference_page_is_made_from_the_document() -> None:
    assert (ROOT / "docs/reference/api.md").read_text() == openapi.page()

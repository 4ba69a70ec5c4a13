"""The etcd client against members that answer, lag, hang, break off or are not there."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from understudy.arbitration.etcd import Etcd
from understudy.arbitration.register import Txn
from understudy.clock import boottime_s

READ = Txn(reads=("/a",))
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(value: bytes, term: int = 1) -> dict[str, object]:
    kvs = [{"key": "L2E=", "value": base64.b64encode(value).decode()}]
    header = {"cluster_id": "1", "raft_term": str(term)}
    return {"header": header, "succeeded": True, "responses": [{"response_range": {"kvs": kvs}}]}


def says(value: bytes, term: int = 1) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.json_response(answer(value, term))

    return handler


async def hangs(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3)
    return web.Response()


async def complains(_request: web.Request) -> web.StreamResponse:
    return web.json_response({"error": "etcdserver: no leader", "code": 14}, status=503)


async def babbles(_request: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>")


@asynccontextmanager
async def member(handler: Handler, path: str = "/v3/kv/txn") -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_post(path, handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(*endpoints: str) -> AsyncIterator[Etcd]:
    etcd = Etcd(endpoints, None, 0.3)
    await etcd.start()
    try:
        yield etcd
    finally:
        await etcd.close()


def test_times_count_from_the_sending() -> None:
    async def story() -> None:
        async with member(says(b"x")) as url, client(url) as etcd:
            before_s = boottime_s()
            result = await etcd.execute(7, READ)
            assert (result.id, result.outcome, result.values) == (7, "ok", {"/a": b"x"})
            assert before_s <= result.sent_at_s <= result.answered_at_s <= boottime_s()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("broken", "reason"), [(hangs, "no answer within 0.3 s"), (complains, "no leader"), (babbles, "Expecting value")]
)
def test_f16_after_any_error_the_next_endpoint_is_asked(broken: Handler, reason: str) -> None:
    async def story() -> None:
        async with member(broken) as bad, member(says(b"x")) as good, client(bad, good) as etcd:
            started_s = boottime_s()
            lost = await etcd.execute(1, READ)
            assert lost.outcome == "lost"
            assert reason in lost.error
            assert boottime_s() - started_s < 1.0
            assert (await etcd.execute(2, READ)).outcome == "ok"
            assert (await etcd.execute(3, READ)).outcome == "ok"

    asyncio.run(story())


def test_two_that_fail_together_turn_away_once() -> None:
    async def story() -> None:
        async with (
            member(hangs) as bad,
            member(says(b"x")) as good,
            member(hangs) as worse,
            client(bad, good, worse) as etcd,
        ):
            first = await asyncio.gather(etcd.execute(1, READ), etcd.execute(2, READ))
            assert [r.outcome for r in first] == ["lost", "lost"]
            assert (await etcd.execute(3, READ)).outcome == "ok"

    asyncio.run(story())


def test_a_member_that_was_left_behind_is_not_believed() -> None:
    async def story() -> None:
        async with (
            member(says(b"new", term=9)) as ahead,
            member(says(b"old", term=8)) as behind,
            client(ahead, behind) as etcd,
        ):
            assert (await etcd.execute(1, READ)).outcome == "ok"
            etcd._rotate(ahead)
            result = await etcd.execute(2, READ)
            assert (result.outcome, result.values) == ("lost", {})
            assert "left behind" in result.error

    asyncio.run(story())


def test_f18_the_journal_hears_of_an_outage_twice_not_twice_a_second(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        async with client("http://127.0.0.1:1", "http://127.0.0.1:2") as etcd:
            for number in range(10):
                assert (await etcd.execute(number, READ)).outcome == "lost"

    with caplog.at_level(logging.INFO):
        asyncio.run(story())
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


def test_a_site_without_voters_says_so() -> None:
    async def story() -> None:
        async with client() as etcd:
            assert "no server with etcd_voter" in (await etcd.execute(1, READ)).error

    asyncio.run(story())


def test_the_watch_hints_at_the_start_and_at_every_change_and_comes_back() -> None:
    async def watched(request: web.Request) -> web.StreamResponse:
        assert request.headers["Grpc-Metadata-hasleader"] == "true"
        response = web.StreamResponse()
        await response.prepare(request)
        first = json.dumps({"result": {"created": True}}) + "\n"
        change = json.dumps({"result": {"events": [{"kv": {}}]}}) + "\n"
        await response.write((first + change[:9]).encode())
        await response.write(change[9:].encode())
        await response.write(json.dumps({"result": {"canceled": True, "cancel_reason": "no leader"}}).encode() + b"\n")
        return response

    async def story() -> None:
        hints: asyncio.Queue[None] = asyncio.Queue()
        async with member(watched, "/v3/watch") as url, client(url) as etcd:
            task = asyncio.create_task(etcd.watch("/a/", lambda: hints.put_nowait(None)))
            for _ in range(4):
                await asyncio.wait_for(hints.get(), 3)
            task.cancel()

    asyncio.run(story())

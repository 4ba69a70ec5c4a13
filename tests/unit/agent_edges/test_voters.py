"""Members of the register that do not answer are known before the majority is gone."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from understudy.arbitration.voters import Voters, quorum_trouble


@pytest.mark.parametrize(
    ("voters", "silent", "says"),
    [
        ("abc", "", ""),
        ("abc", "c", "quorum at risk: the register's member on c does not answer"),
        ("abc", "bc", "quorum lost: the register's members on b, c do not answer"),
        ("abcde", "e", ""),
        ("abcde", "de", "quorum at risk"),
        ("a", "a", "quorum lost"),
    ],
)
def test_f08_quorum_at_risk_and_lost(voters: str, silent: str, says: str) -> None:
    assert quorum_trouble(voters, silent).startswith(says)
    assert bool(quorum_trouble(voters, silent)) is bool(says)


def test_f08_members_are_asked_for_their_health() -> None:
    healthy = True

    async def health(_request: web.Request) -> web.Response:
        return web.json_response({"health": "true"}, status=200 if healthy else 503)

    async def story() -> None:
        nonlocal healthy
        application = web.Application()
        application.router.add_get("/health", health)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        voters = Voters({"rec1": url, "rec2": "http://127.0.0.1:9", "stby1": url}, None, period_s=0.05)
        voters.start()
        try:
            async with asyncio.timeout(5):
                while voters.silent != {"rec2"}:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                assert voters.trouble.startswith("quorum at risk")
                healthy = False
                while len(voters.silent) < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                assert voters.trouble.startswith("quorum lost")
        finally:
            voters.close()
            await runner.cleanup()

    asyncio.run(story())

"""Logging in as people notice it: who is let in, for how long, on which server, and what a wrong password costs."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from recordings import Node
from understudy.footage.peers import Peers
from understudy.web import sessions, throttle
from understudy.web.app import make_app
from understudy.web.auth import COOKIE
from understudy.web.services import Services
from understudy.web.sessions import Sessions
from understudy.web.users import User, Users

PASSWORD = "p@ss:w/rd#1?"
Story = Callable[[Any], Awaitable[None]]


def scrypt(password: str) -> str:
    """A hash that costs a test nothing."""
    found = hashlib.scrypt(password.encode(), salt=b"salt", n=16, r=8, p=1, dklen=32)
    return f"scrypt$16$8$1${b'salt'.hex()}${found.hex()}"


def write_users(path: Path, **roles: str) -> None:
    users = {name: {"role": role, "scrypt": scrypt(PASSWORD)} for name, role in roles.items()}
    path.write_text(json.dumps({"version": 1, "users": users}))


def server(root: Path, name: str, peers: Peers | None = None) -> Services:
    """A server of the site whose users and key are those of every other."""
    (root / "site.key").write_text("11" * 32)
    if not (root / "users.json").exists():
        write_users(root / "users.json", admin="admin", guard="viewer")
    node = Node(root, name)
    return Services(
        node.plan,
        node.catalogue,
        node.disks,
        peers or Peers(node.plan, None, url=lambda _: "http://127.0.0.1:9"),
        root / "agent.sock",
        root / "recorder.sock",
        users=Users(root / "users.json"),
        site_key=root / "site.key",
    )


def play(root: Path, story: Story) -> None:
    async def run() -> None:
        async with TestClient(TestServer(make_app(server(root, "rec1")))) as client:
            await story(client)

    asyncio.run(run())


async def log_in(client: Any, name: str = "guard", password: str = PASSWORD) -> tuple[dict[str, str], str]:
    """The headers of a session and its cookie's attributes."""
    answer = await client.post("/api/v1/session", json={"name": name, "password": password})
    assert answer.status == 200, await answer.text()
    cookie = answer.headers["Set-Cookie"]
    return {"Cookie": cookie.split(";")[0], "X-CSRF-Token": (await answer.json())["csrf"]}, cookie


def test_s49_one_login_lasts_and_the_cookie_is_for_this_page_only(tmp_path: Path) -> None:
    async def story(client: Any) -> None:
        assert (await client.get("/api/v1/session")).status == 401
        headers, cookie = await log_in(client)
        assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=Strict", "Path=/"))
        assert "Domain" not in cookie
        told = await (await client.get("/api/v1/session", headers=headers)).json()
        assert (told["name"], told["role"], told["site"]) == ("guard", "viewer", "lab")

    play(tmp_path, story)


def test_s14_a_login_survives_a_takeover(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            TestClient(TestServer(make_app(server(tmp_path, "rec1")))) as home,
            TestClient(TestServer(make_app(server(tmp_path, "stby1")))) as standby,
        ):
            headers, _ = await log_in(home)
            assert (await standby.get("/api/v1/session", headers=headers)).status == 200

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "password"), [("guard", "wrong"), ("nobody", PASSWORD), ("guard", ""), ("", ""), ("admin", PASSWORD + " ")]
)
def test_a_wrong_login_is_told_in_one_sentence_that_does_not_say_which(
    tmp_path: Path, name: str, password: str
) -> None:
    async def story(client: Any) -> None:
        answer = await client.post("/api/v1/session", json={"name": name, "password": password})
        assert answer.status == 401
        assert answer.content_type == "application/problem+json"
        assert (await answer.json())["detail"] == "name or password is wrong"
        assert "Set-Cookie" not in answer.headers

    play(tmp_path, story)


def test_what_is_no_login_is_refused(tmp_path: Path) -> None:
    async def story(client: Any) -> None:
        form = await client.post("/api/v1/session", data={"name": "guard", "password": PASSWORD})
        assert form.status == 415
        for body in (b"", b"[]", b'{"name": 1, "password": 2}', b"{" * 100_000):
            answer = await client.post("/api/v1/session", data=body, headers={"Content-Type": "application/json"})
            assert answer.status == 400

    play(tmp_path, story)


def test_after_five_wrong_passwords_the_next_try_has_to_wait(tmp_path: Path) -> None:
    async def story(client: Any) -> None:
        wrong = {"name": "guard", "password": "wrong"}
        statuses = [(await client.post("/api/v1/session", json=wrong)).status for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        right = await client.post("/api/v1/session", json={"name": "guard", "password": PASSWORD})
        assert right.status == 429
        assert 1 <= int(right.headers["Retry-After"]) <= 15

    play(tmp_path, story)


def test_nobody_locks_a_user_out_for_long_and_an_address_waits_longer_each_time() -> None:
    counts = throttle.Throttle()
    for second in range(100):
        counts.failed("192.0.2.1", "admin", second)
    assert counts.wait_s("192.0.2.1", "guard", 100) > 60
    assert 0 < counts.wait_s("192.0.2.2", "admin", 100) <= throttle.MAX_WAIT_S["user"]
    assert counts.wait_s("192.0.2.2", "guard", 100) == 0
    assert counts.wait_s("192.0.2.1", "admin", 100 + throttle.FORGET_S) == 0
    for number in range(3 * throttle.MAX_REMEMBERED):
        counts.failed(str(number), "admin", 200)
    assert len(counts._counts) <= throttle.MAX_REMEMBERED


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "",
        lambda token: "x",
        lambda token: "." + token,
        lambda token: token[:-1],
        lambda token: token.replace(".", ".A", 1),
        lambda token: ("A" if token[0] != "A" else "B") + token[1:],
        lambda token: token.split(".")[0] + ".",
        lambda token: "é" + token,
        lambda token: token + "=" * 5000,
    ],
)
def test_a_token_that_is_not_ours_lets_nobody_in(spoil: Callable[[str], str]) -> None:
    users = {"guard": User("viewer", scrypt(PASSWORD))}
    made = Sessions(b"k" * 32)
    token = made.issue("guard", users["guard"], 1000.0)
    assert made.check(token, users, 1000.0) is not None
    assert made.check(spoil(token), users, 1000.0) is None
    assert Sessions(b"other" * 8).check(token, users, 1000.0) is None


def test_a_session_ends_with_time_with_the_user_and_with_the_password() -> None:
    users = {"guard": User("viewer", scrypt(PASSWORD))}
    made = Sessions(b"k" * 32)
    token = made.issue("guard", users["guard"], 1000.0)
    assert made.check(token, users, 1000.0 + sessions.LIFETIME_S) is None
    assert made.check(token, {}, 1000.0) is None
    assert made.check(token, {"guard": User("viewer", scrypt("new"))}, 1000.0) is None
    late_s = 1000.0 + sessions.LONGEST_S - 10
    renewed = made.check(made.issue("guard", users["guard"], late_s, login_s=1000.0), users, late_s)
    assert renewed is not None
    assert renewed.claims.until_s == 1000.0 + sessions.LONGEST_S


def test_who_logs_out_is_out_and_only_the_page_itself_can_do_it(tmp_path: Path) -> None:
    async def story(client: Any) -> None:
        headers, _ = await log_in(client)
        assert (await client.delete("/api/v1/session", headers={"Cookie": headers["Cookie"]})).status == 403
        assert (await client.get("/api/v1/session", headers=headers)).status == 200
        gone = await client.delete("/api/v1/session", headers=headers)
        assert gone.status == 204
        assert f'{COOKIE}=""' in gone.headers["Set-Cookie"]
        assert (await client.get("/api/v1/session", headers=headers)).status == 401

    play(tmp_path, story)


def test_people_do_not_get_what_is_between_servers(tmp_path: Path) -> None:
    async def story(client: Any) -> None:
        headers, _ = await log_in(client, "admin")
        for path in ("/api/v1/footage/north/segments", "/api/v1/node", "/api/v1/holds/known", "/nowhere"):
            assert (await client.get(path, headers=headers)).status == 401
        rest = await client.delete("/api/v1/footage/segments/x?sha256=0", headers=headers)
        assert rest.status == 401

    play(tmp_path, story)


def test_without_a_users_file_nobody_gets_in_and_the_sentence_names_it(tmp_path: Path) -> None:
    async def story(client: Any) -> None:
        headers, _ = await log_in(client)
        (tmp_path / "users.json").unlink()
        for answer in (
            await client.get("/api/v1/session", headers=headers),
            await client.post("/api/v1/session", json={"name": "guard", "password": PASSWORD}),
        ):
            assert answer.status == 503
            assert "users.json" in (await answer.json())["detail"]

    play(tmp_path, story)

"""S18: what happens reaches people over real SMTP and HTTP, each once, whatever crashes meanwhile."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import depot
import pytest
from depot import status
from servers import Hook, Machine, certificate, connect, mail_server, mail_to, until
from understudy import control
from understudy.events import outbox, scripts, sender, watch
from understudy.events.channels import DeliveryError, deliver, send_mail, signature
from understudy.events.message import Note, mail
from understudy.site.event_rules import Notify, Rule, Syslog, Webhook
from understudy.site.plan import Plan

DISK = Rule(name="disk", cause="disk-fault", for_s=1, clear_s=1, actions=("mail", "failover"))


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not wait as long as people may."""
    monkeypatch.setattr(watch, "TAKEOVER_SETTLE_S", 0.5)
    monkeypatch.setattr(watch, "HANDBACK_SETTLE_S", 0.5)
    monkeypatch.setattr(outbox, "FIRST_RETRY_S", 0.2)
    monkeypatch.setattr(outbox, "LAST_RETRY_S", 0.5)
    monkeypatch.setattr(sender, "POLL_S", 0.1)
    monkeypatch.setattr("understudy.events.service.MEASURE_S", 0.2)
    monkeypatch.setattr("understudy.events.service.LOOK_S", 0.2)
    monkeypatch.setattr("understudy.events.service.AWAY_S", 1.0)
    monkeypatch.setattr("understudy.events.exchange.POLL_S", 0.1)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("pki"))


def note(**fields: object) -> Note:
    from test_incidents import incident

    return Note(incident(**fields), "opened")  # type: ignore[arg-type]


def test_s18_a_mail_goes_out_with_starttls_and_login(tmp_path: Path, pki: Path) -> None:
    with mail_server(tmp_path, pki) as server:
        to = mail_to(server, pki)
        send_mail(to, mail([note()], depot.plan(), to))
        (taken,) = server.mails()
        assert taken["X-Mailsink-To"] == "ops@depot.test"
        assert taken["Subject"] == "[depot] rec1: disk"
        assert taken.is_multipart()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"password": "wrong"}, "refuses the login: 535 wrong name or password"),
        ({"username": ""}, "530 a login is needed"),
        ({"security": "none"}, "530 STARTTLS first|SMTP AUTH extension not supported"),
        ({"ca_file": ""}, "CERTIFICATE_VERIFY_FAILED"),
        ({"host": "127.0.0.2"}, "refused"),
        ({"security": "tls"}, "WRONG_VERSION_NUMBER|wrong version number|record layer"),
    ],
)
def test_s18_what_is_wrong_with_the_mail_server_is_one_sentence_without_the_password(
    changes: dict[str, str], says: str, tmp_path: Path, pki: Path
) -> None:
    with mail_server(tmp_path, pki) as server:
        to = mail_to(server, pki, **changes)
        with pytest.raises(DeliveryError, match=rf"^mail server .*({says})") as refused:
            send_mail(to, mail([note()], depot.plan(), to))
        assert "s3cret" not in str(refused.value)
        assert server.mails() == []


async def one(tmp_path: Path, notify: Notify, *rules: Rule, node: str = "rec1") -> Machine:
    machine = Machine(tmp_path, node, notify, *rules)
    await machine.start_around()
    return machine


def break_disk(machine: Machine, state: str = "error") -> None:
    machine.progress["disks"]["C"]["state"] = state


def test_s57_a_broken_disk_is_failed_and_told_and_its_end_is_cleared_and_told(tmp_path: Path, pki: Path) -> None:
    async def story() -> None:
        with mail_server(tmp_path / "mails", pki) as server:
            rec1 = await one(tmp_path, Notify(mail=mail_to(server, pki)), DISK)
            await rec1.start()
            break_disk(rec1)
            await until(lambda: any(asked["op"] == "fail" for asked in rec1.asked))
            asked = next(asked for asked in rec1.asked if asked["op"] == "fail")
            assert asked["reason"] == "rule disk: disk letter C is error"
            rec1.orders = depot.orders(asked["reason"])
            await until(lambda: len(server.mails()) == 2)  # the rule, and FAILED
            break_disk(rec1, "ok")
            await until(lambda: any(asked["op"] == "clear" for asked in rec1.asked))
            rec1.orders = depot.orders()  # restarted
            await until(lambda: len(server.mails()) == 4)
            subjects = sorted(str(taken["Subject"]) for taken in server.mails())
            assert subjects == [
                "[depot] over: rec1 is FAILED (99)",
                "[depot] over: rec1: disk",
                "[depot] rec1 is FAILED (99)",
                "[depot] rec1: disk",
            ]
            await rec1.close()

    asyncio.run(story())


def test_s18_while_the_mail_server_is_down_and_the_sender_crashes_nothing_is_lost_or_told_twice(
    tmp_path: Path,
) -> None:
    rules = [Rule(name=name, cause="disk-fault", for_s=0, actions=("mail",)) for name in ("a", "b", "c")]

    async def story() -> None:
        with mail_server(tmp_path / "mails") as server:
            rec1 = await one(tmp_path, Notify(mail=mail_to(server)), *rules)
            server.stop()
            await rec1.start()
            break_disk(rec1)
            await until(lambda: len(rec1.running.book.all()) >= 3)
            await asyncio.sleep(1.0)  # it tries in vain
            await rec1.kill()
            await rec1.start()
            await asyncio.sleep(0.5)
            await rec1.kill()
            server.start()
            await rec1.start()
            await until(lambda: len(server.mails()) >= 3)
            await rec1.kill()
            await rec1.start()
            await asyncio.sleep(1.0)
            ids = [str(taken["Message-ID"]) for taken in server.mails()]
            assert len(ids) == len(set(ids)) == 3
            await rec1.close()

    asyncio.run(story())


def test_s18_when_the_sender_dies_another_server_tells_once(tmp_path: Path) -> None:
    async def story() -> None:
        with mail_server(tmp_path / "mails") as server:
            notify = Notify(mail=mail_to(server))
            server.stop()
            machines = [await one(tmp_path, notify, DISK, node=node) for node in ("rec1", "rec2", "stby1")]
            rec1, rec2, stby1 = machines
            connect(*machines)
            for machine in machines:
                await machine.start()
            break_disk(rec1)
            known = "rule/disk/rec1"
            await until(lambda: all(machine.running.book.open(known) for machine in machines))
            await rec1.kill()
            for machine in (rec2, stby1):
                machine.status = status(machine.node, away=("rec1",))
            server.start()
            await until(lambda: len(server.mails()) == 1)
            await until(lambda: all("mail:opened" in m.running.book.open(known)[0].sent for m in (rec2, stby1)))
            # rec1 is back with what it had to tell; it hears first that it has been told
            for machine in (rec2, stby1):
                machine.status = status(machine.node)
            await rec1.start()
            await until(lambda: "mail:opened" in rec1.running.book.open(known)[0].sent)
            await asyncio.sleep(1.0)
            assert len(server.mails()) == 1
            for machine in machines:
                await machine.close()

    asyncio.run(story())


def test_f01_a_takeover_and_the_handback_are_told_once_each_with_the_measured_gap(tmp_path: Path) -> None:
    async def story() -> None:
        with mail_server(tmp_path / "mails") as server:
            notify = Notify(mail=mail_to(server))
            rec1, stby1 = await one(tmp_path, notify), await one(tmp_path, notify, node="stby1")
            stby1.gap_s = 1.5
            connect(rec1, stby1)
            await stby1.start()
            stby1.status = status("stby1", north="stby1", away=("rec1",))
            await until(lambda: len(server.mails()) == 1)
            await rec1.start()
            rec1.status, stby1.status = status(), status("stby1")
            await until(lambda: len(server.mails()) == 2)
            takeover, handback = server.mails()
            assert takeover["Subject"] == "[depot] stby1 carries north instead of rec1"
            assert "north/2 1.50 s; nothing of the other 1 cameras" in text_of(takeover)
            assert handback["Subject"] == "[depot] north is back home on rec1"
            assert "no frame of 2 cameras" in text_of(handback)
            await asyncio.sleep(1.0)
            assert len(server.mails()) == 2
            await rec1.close()
            await stby1.close()

    asyncio.run(story())


def text_of(taken: Any) -> str:
    return str(taken.get_payload()[0].get_payload(decode=True).decode())


def test_s18_a_webhook_is_signed_and_repeated_until_it_is_taken(tmp_path: Path) -> None:
    async def story() -> None:
        hook = Hook()
        hook.answers = [500, 503]
        await hook.server.start_server()
        notify = Notify(webhook=Webhook(url=str(hook.server.make_url("/hook")), secret="k3y"))
        rec1 = await one(tmp_path, notify, Rule(name="disk", cause="disk-fault", for_s=0))
        await rec1.start()
        break_disk(rec1)
        await until(lambda: len(hook.taken) == 3)
        await asyncio.sleep(1.0)
        assert len(hook.taken) == 3
        names = {headers["Idempotency-Key"] for headers, _ in hook.taken}
        assert len(names) == 1
        headers, body = hook.taken[-1]
        assert headers["X-Understudy-Signature"] == signature("k3y", headers["X-Understudy-Timestamp"], body)
        assert headers["X-Understudy-Signature"] != signature("k3y", headers["X-Understudy-Timestamp"], body + b" ")
        told = json.loads(body)
        assert (told["event"], told["kind"], told["detail"]) == ("opened", "rule", "disk letter C is error")
        await rec1.close()
        await hook.server.close()

    asyncio.run(story())


def test_a_refused_message_does_not_hold_up_the_others(tmp_path: Path) -> None:
    told: list[str] = []

    async def picky(channel: str, notes: Sequence[Note], plan: Plan) -> None:
        if any("north" in note.incident.title for note in notes):
            raise DeliveryError("550 no such user", refused=True)
        told.extend(note.incident.title for note in notes)

    async def story() -> None:
        rules = [Rule(name=name, cause="disk-fault", for_s=0) for name in ("north", "other")]
        rec1 = await one(tmp_path, Notify(mail=depot.MAIL), *rules)
        await rec1.start(picky)
        break_disk(rec1)
        await until(lambda: "rec1: other" in told)
        await rec1.close()

    asyncio.run(story())


def test_s57_event_tracks_are_armed_and_lost_cameras_are_compared_with_other_servers(tmp_path: Path) -> None:
    rules = (
        Rule(name="lost", cause="camera-loss", for_s=0, arm=("north/1",), arm_s=20, actions=("arm",)),
        Rule(name="all", cause="not-recording", for_s=0),
    )

    async def story() -> None:
        rec1, stby1 = await one(tmp_path, Notify(), *rules), await one(tmp_path, Notify(), node="stby1")
        connect(rec1, stby1)
        stby1.progress = depot.progress(north="preroll", ages_s=(0.1, 30.0))
        rec1.progress = depot.progress(ages_s=(30.0, 30.0))
        await rec1.start()
        await until(lambda: any(asked["op"] == "event" for asked in rec1.asked))
        asked = next(asked for asked in rec1.asked if asked["op"] == "event")
        assert (asked["logical"], asked["camera"], asked["for_s"]) == ("north", 1, 20)
        answer = await control.acall(rec1.places.socket, "rules")
        measured = {rule["name"]: rule["measured"] for rule in answer["rules"]}
        assert measured["lost"] == "1 of 2 cameras lost here that another server sees (limit 50 %): north/1"
        assert measured["all"] == "2 of 2 cameras not recorded (limit 100 %): north/1, north/2"
        await rec1.close()
        await stby1.close()

    asyncio.run(story())


def test_s57_a_crash_loop_is_counted_by_the_recorders_process(tmp_path: Path) -> None:
    async def story() -> None:
        rec1 = await one(tmp_path, Notify(), Rule(name="loop", cause="crash-loop", limit=2, for_s=0))
        await rec1.start()
        for pid in (1, 2, 3):
            count = len([asked for asked in rec1.asked if asked["op"] == "progress"])
            rec1.progress["pid"] = pid
            await until(lambda seen=count: len([a for a in rec1.asked if a["op"] == "progress"]) > seen + 1)  # type: ignore[misc]
        await until(lambda: bool(rec1.running.book.open("rule/loop/rec1")))
        await rec1.close()

    asyncio.run(story())


def test_alarms_are_acknowledged_on_any_server(tmp_path: Path) -> None:
    async def story() -> None:
        rec1, rec2 = await one(tmp_path, Notify(), DISK), await one(tmp_path, Notify(), node="rec2")
        connect(rec1, rec2)
        await rec1.start()
        await rec2.start()
        break_disk(rec1)
        await until(lambda: bool(rec2.running.book.open("rule/disk/rec1")))
        (known,) = rec2.running.book.open("rule/disk/rec1")
        answer = await control.acall(rec2.places.socket, "ack", id=known.id, by="ann@rec2")
        assert answer["alarm"]["acked_by"] == "ann@rec2"
        await until(lambda: rec1.running.book.get(known.id).acked_by == "ann@rec2")
        with pytest.raises(control.ControlError, match="there is no incident 'rec9'"):
            await control.acall(rec1.places.socket, "ack", id="rec9")
        await rec1.close()
        await rec2.close()

    asyncio.run(story())


def test_the_service_costs_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its real pace: less than 1 % of a core for its own part of a look."""
    monkeypatch.setattr("understudy.events.service.LOOK_S", 1.0)

    async def story() -> float:
        import time

        rec1 = await one(tmp_path, Notify(), DISK)
        await rec1.start()
        await until(lambda: len(rec1.asked) > 6)
        service = rec1.running
        look = await service._sight.look()
        began_s = time.process_time()
        for _ in range(50):
            await service.round(look)
        spent_s = (time.process_time() - began_s) / 50
        await rec1.close()
        return spent_s

    assert asyncio.run(story()) < 0.01


def test_s18_a_crash_between_the_answer_and_the_mark_repeats_with_the_same_message_id(tmp_path: Path) -> None:
    """The only way to a repeat: people's mail programs, and the admin, recognise it."""

    async def dying(channel: str, notes: Sequence[Note], plan: Plan) -> None:
        await deliver(channel, notes, plan)
        raise asyncio.CancelledError

    async def story() -> None:
        with mail_server(tmp_path / "mails") as server:
            rec1 = await one(tmp_path, Notify(mail=mail_to(server)), Rule(name="disk", cause="disk-fault", for_s=0))
            await rec1.start(dying)
            break_disk(rec1)
            await until(lambda: len(server.mails()) == 1)
            await rec1.kill()
            await rec1.start()
            await until(lambda: len(server.mails()) == 2)
            assert len({str(taken["Message-ID"]) for taken in server.mails()}) == 1
            await rec1.close()

    asyncio.run(story())


def test_s18_syslog_is_told_over_udp(tmp_path: Path) -> None:
    async def story() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
            listener.bind(("127.0.0.1", 0))
            listener.settimeout(10)
            to = Syslog(host="127.0.0.1", port=listener.getsockname()[1])
            rec1 = await one(tmp_path, Notify(syslog=to), Rule(name="disk", cause="disk-fault", for_s=0))
            await rec1.start()
            break_disk(rec1)
            line = await asyncio.to_thread(listener.recv, 4096)
            assert line.startswith(b"<28>1 ")
            assert "[depot] rec1: disk: disk letter C is error" in line.decode()
            await rec1.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        ("/bin/sh -c 'echo fan 2 stands; echo more; exit 99'", 99, "fan 2 stands"),
        ("/bin/true", 0, ""),
        ("/nonexistent/check", -1, "it cannot be run: .*No such file.*"),
        ("/bin/sh -c 'sleep 60 & sleep 60'", -1, r"it did not end within 0\.5 s"),
        ("/bin/sh -c 'yes | head -c 1000000; exit 3'", 3, "y"),
        ("/bin/echo 'no end", -1, "it cannot be run: No closing quotation"),
    ],
)
def test_s57_a_script_ends_somehow_and_says_why(command: str, code: int, text: str) -> None:
    found = asyncio.run(scripts.run(command, 5.0 if "sleep" not in command else 0.5))
    assert found.code == code
    assert re.fullmatch(text, found.text)

"""Incidents of several servers become one book, and each is told once, by one server."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import depot
import pytest
from msgspec.structs import replace
from understudy.events import message, outbox
from understudy.events.book import Book, UnknownIncidentError
from understudy.events.incident import MAX_INCIDENTS, Incident, kept, merge, new_id
from understudy.events.message import Note

NOW_US = round(depot.WALL_S * 1e6)
HOUR_US = 3_600_000_000


def incident(number: int = 0, **fields: object) -> Incident:
    opened_us = NOW_US + number * 1_000_000
    known = {
        "id": new_id("rec1", "rule/disk/rec1", opened_us),
        "kind": "rule",
        "key": "rule/disk/rec1",
        "source": "rec1",
        "server": "rec1",
        "title": "rec1: disk",
        "detail": "disk letter C is error: Input/output error",
        "advice": "Replace it.",
        "channels": ("mail",),
        "opened_us": opened_us,
        "ready_us": opened_us,
    }
    return Incident(**{**known, **fields})  # type: ignore[arg-type]


def test_copies_are_merged_in_any_order_and_any_number_of_times() -> None:
    first = incident()
    copies = [
        replace(first, did=("declared FAILED",), revision=1),
        replace(first, over_us=NOW_US + 9, over_text="repaired"),
        replace(first, acked_us=NOW_US + 5, acked_by="ann@rec2", sent={"mail:opened": NOW_US + 4}),
        replace(first, acked_us=NOW_US + 7, acked_by="bob@rec1", sent={"mail:opened": NOW_US + 6, "mail:over": 9}),
    ]
    results = set()
    for order in itertools.permutations(copies):
        known = first
        for copy in (*order, *order[:2]):
            known = merge(known, copy)
        results.add(
            (known.did, known.over_us, known.over_text, known.acked_by, tuple(known.sent.items()), known.revision)
        )
    told = (("mail:opened", NOW_US + 4), ("mail:over", 9))
    assert results == {(("declared FAILED",), NOW_US + 9, "repaired", "ann@rec2", told, 1)}


def test_the_book_survives_a_crash_and_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "incidents.json"
    book = Book(path)
    book.add(incident())
    book.sent(incident().id, "mail:opened", NOW_US + 1)
    asyncio.run(book.save())
    again = Book(path)
    assert again.get(incident().id).sent == {"mail:opened": NOW_US + 1}
    assert again.acknowledge(incident().id, "ann@rec1", NOW_US + 2).acked_by == "ann@rec1"
    assert again.acknowledge(incident().id, "bob@rec1", NOW_US + 3).acked_by == "ann@rec1"
    with pytest.raises(UnknownIncidentError, match="there is no incident 'x'; `understudy alarms`"):
        again.get("x")
    path.write_text("[{")
    assert Book(path).all() == []
    assert (tmp_path / "incidents.damaged").exists()


def test_the_book_is_bounded_and_what_is_open_stays() -> None:
    many = [incident(n, over_us=NOW_US) for n in range(MAX_INCIDENTS + 50)]
    old = incident(-40 * 86400)
    found = kept([old, *many], NOW_US)
    assert len(found) == MAX_INCIDENTS
    assert old.id in found
    assert many[-1].id in found


def test_the_server_that_raised_it_tells_of_it_and_when_it_is_away_the_first_of_the_others() -> None:
    found = incident()
    everybody = {"rec1", "rec2", "stby1"}
    told = {node: bool(outbox.due([found], "mail", node, everybody, NOW_US)) for node in sorted(everybody)}
    assert told == {"rec1": True, "rec2": False, "stby1": False}
    left = {node: bool(outbox.due([found], "mail", node, {"rec2", "stby1"}, NOW_US)) for node in ("rec2", "stby1")}
    assert left == {"rec2": True, "stby1": False}


@pytest.mark.parametrize(
    ("fields", "phases"),
    [
        ({}, ["opened"]),
        ({"over_us": NOW_US}, ["opened", "over"]),
        ({"sent": {"mail:opened": NOW_US}}, []),
        ({"sent": {"mail:opened": NOW_US}, "over_us": NOW_US}, ["over"]),
        ({"sent": {"webhook:opened": NOW_US}}, ["opened"]),
        ({"held": "rec1 is in maintenance"}, []),
        ({"channels": ("syslog",)}, []),
        ({"ready_us": NOW_US + 1}, []),
        ({"kind": "takeover", "over_us": NOW_US, "gaps": {}}, ["opened"]),
        ({"kind": "takeover"}, []),  # not measured yet
        ({"kind": "takeover", "ready_us": NOW_US - 30_000_000}, ["opened"]),  # nobody can measure it
        ({"opened_us": NOW_US - 8 * 24 * HOUR_US}, []),
    ],
)
def test_what_is_due(fields: dict[str, object], phases: list[str]) -> None:
    notes = outbox.due([incident(**fields)], "mail", "rec1", {"rec1"}, NOW_US)  # type: ignore[arg-type]
    assert [note.phase for note in notes] == phases


def test_a_flood_becomes_one_digest_and_then_waits_for_the_hour() -> None:
    told = [incident(-n, sent={"mail:opened": NOW_US - n * 1_000_000}) for n in range(1, 4)]
    fresh = [Note(incident(n), "opened") for n in range(5)]
    assert [len(batch) for batch in outbox.batches(fresh, told, "mail", 8, NOW_US)] == [1] * 5
    assert [len(batch) for batch in outbox.batches(fresh, told, "mail", 5, NOW_US)] == [5]
    assert outbox.batches(fresh, told, "mail", 3, NOW_US) == []
    assert [len(batch) for batch in outbox.batches(fresh, told, "mail", 3, NOW_US + HOUR_US - 2_000_000)] == [5]


def test_waits_grow_and_end_at_a_minute() -> None:
    assert [outbox.retry_s(tries) for tries in (1, 2, 3, 6, 100)] == [2, 4, 8, 60, 60]


def test_s18_a_mail_says_what_where_when_measured_gap_what_was_done_and_what_to_do() -> None:
    found = incident(
        kind="takeover",
        logical="north",
        server="stby1",
        title="stby1 carries north instead of rec1",
        detail="nobody heard rec1 for 3.6 s",
        did=("stby1 has the addresses",),
        gaps={"north/1": 0.0, "north/2": 1.24},
    )
    mail = message.mail([Note(found, "opened")], depot.plan(), depot.MAIL)
    assert mail["Subject"] == "[depot] stby1 carries north instead of rec1"
    assert mail["Message-ID"] == f"<{found.id}.opened@depot.understudy>"
    text, page = (part.get_content() for part in mail.iter_parts())
    for piece in (
        "stby1 carries north instead of rec1",
        "nobody heard rec1 for 3.6 s",
        "site depot, server stby1, logical server north",
        "2026-11-23 11:00:00 +0100 (Europe/Zurich)",
        "north/2 1.24 s; nothing of the other 1 cameras",
        "stby1 has the addresses",
        "Replace it.",
        found.id,
    ):
        assert piece in text
        assert piece in page


def test_a_page_shows_markup_in_texts_as_text() -> None:
    mail = message.mail([Note(incident(detail="<script>alert(1)</script>"), "opened")], depot.plan(), depot.MAIL)
    _, page = (part.get_content() for part in mail.iter_parts())
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_end_answers_the_beginning_and_says_how_long_it_lasted() -> None:
    found = incident(over_us=NOW_US + 90_000_000, over_text="disk letter C is ok")
    mail = message.mail([Note(found, "over")], depot.plan(), depot.MAIL)
    assert mail["Subject"] == "[depot] over: rec1: disk"
    assert mail["In-Reply-To"] == f"<{found.id}.opened@depot.understudy>"
    text, _ = (part.get_content() for part in mail.iter_parts())
    assert "after 90 s: disk letter C is ok" in text


def test_a_digest_has_the_same_message_id_on_every_server() -> None:
    notes = [Note(incident(n), "opened") for n in range(3)]
    assert message.message_id(notes, "depot") == message.message_id(notes[::-1], "depot")
    mail = message.mail(notes, depot.plan(), depot.MAIL)
    assert mail["Subject"] == "[depot] 3 notifications"


def test_syslog_gets_one_line_of_rfc_5424() -> None:
    line = message.syslog_line(Note(incident(detail="a\nb"), "opened"), depot.plan(), NOW_US).decode()
    assert line == "<28>1 2026-11-23T10:00:00.000Z rec1 understudy - rule - \ufeff[depot] rec1: disk: a b"

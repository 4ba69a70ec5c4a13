"""A notification in words: subject, text and HTML of a mail, the document of a webhook, the line for syslog. Pure."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import msgspec

from understudy.events.incident import MEASURED, Incident, Phase
from understudy.events.texts import local_time, span
from understudy.footage.instants import show
from understudy.site.event_rules import Mail
from understudy.site.plan import Plan


@dataclass(frozen=True)
class Note:
    """One thing to tell: that an incident began, or that it is over."""

    incident: Incident
    phase: Phase

    @property
    def name(self) -> str:
        """The same for ever and on every server, so that a repeat can be recognised."""
        return f"{self.incident.id}.{self.phase}"


def message_id(notes: Sequence[Note], site: str) -> str:
    """The Message-ID of a mail about these notes: it depends on nothing else."""
    if len(notes) == 1:
        return f"<{notes[0].name}@{site}.understudy>"
    digest = hashlib.sha256("\n".join(sorted(note.name for note in notes)).encode()).hexdigest()[:32]
    return f"<digest.{digest}@{site}.understudy>"


def mail(notes: Sequence[Note], plan: Plan, to: Mail) -> EmailMessage:
    """One mail about one note, or a digest of several, as text and as HTML."""
    message = EmailMessage()
    message["Subject"] = subject(notes, plan)
    message["From"] = to.sender
    message["To"] = ", ".join(to.to)
    message["Message-ID"] = message_id(notes, plan.site)
    if len(notes) == 1 and notes[0].phase == "over":
        opened = Note(notes[0].incident, "opened")
        message["In-Reply-To"] = message["References"] = message_id([opened], plan.site)
    message["Auto-Submitted"] = "auto-generated"
    message["X-Understudy-Incident"] = ", ".join(note.incident.id for note in notes[:20])
    message.set_content("\n\n".join(_text(note, plan) for note in notes) + "\n")
    message.add_alternative(_page(notes, plan), subtype="html")
    return message


def subject(notes: Sequence[Note], plan: Plan) -> str:
    """What the mail is about, on one line."""
    if len(notes) > 1:
        return f"[{plan.site}] {len(notes)} notifications"
    note = notes[0]
    return f"[{plan.site}] {'over: ' if note.phase == 'over' else ''}{note.incident.title}"


def facts_of(note: Note, plan: Plan) -> list[tuple[str, str]]:
    """What, where, when, measured, done, to do: names and values, in the order in which people read them."""
    incident = note.incident
    rows = [("What", incident.title), ("Measured", incident.detail), ("Where", _where(incident, plan))]
    rows.append(("Since" if note.phase == "opened" else "Began", local_time(incident.opened_us, plan.timezone)))
    if incident.over_us is not None and note.phase == "over":
        lasted = span(incident.over_us - incident.opened_us)
        rows.append(("Over", f"{local_time(incident.over_us, plan.timezone)}, after {lasted}: {incident.over_text}"))
    rows += [("Missing", _missing(incident))] if incident.kind in MEASURED else []
    rows += [("Done", done) for done in incident.did]
    if note.phase == "opened":
        rows.append(("What to do", incident.advice))
    rows.append(("Incident", incident.id))
    return [(name, value) for name, value in rows if value]


def _where(incident: Incident, plan: Plan) -> str:
    logical = f", logical server {incident.logical}" if incident.logical else ""
    return f"site {plan.site}, server {incident.server}{logical}"


def _missing(incident: Incident) -> str:
    if incident.gaps is None:
        return "the recordings could not be measured"
    if not incident.gaps:
        return "no camera of it fails over"
    lost = [f"{camera} {seconds:.2f} s" for camera, seconds in sorted(incident.gaps.items()) if seconds > 0]
    if lost:
        return f"{', '.join(lost)}; nothing of the other {len(incident.gaps) - len(lost)} cameras"
    known = "" if incident.kind == "handback" else ", as far as the recordings can be read now"
    return f"no frame of {len(incident.gaps)} cameras{known}"


def _text(note: Note, plan: Plan) -> str:
    rows = facts_of(note, plan)
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name + ':':<{width}}{value}" for name, value in rows)


def _page(notes: Sequence[Note], plan: Plan) -> str:
    tables = []
    for note in notes:
        rows = "".join(
            f'<tr><th align="left" valign="top">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
            for name, value in facts_of(note, plan)
        )
        tables.append(f'<h3>{html.escape(subject([note], plan))}</h3><table cellpadding="4">{rows}</table>')
    return f'<!DOCTYPE html><html><body style="font-family: sans-serif">{"".join(tables)}</body></html>\n'


def document(note: Note, plan: Plan) -> dict[str, Any]:
    """The body of a webhook."""
    incident = note.incident
    return {
        "version": 1,
        "event": note.phase,
        "id": note.name,
        "incident": incident.id,
        "site": plan.site,
        "kind": incident.kind,
        "server": incident.server,
        "logical": incident.logical,
        "title": incident.title,
        "detail": incident.detail,
        "done": list(incident.did),
        "advice": incident.advice,
        "opened": show(incident.opened_us),
        "over": None if incident.over_us is None else show(incident.over_us),
        "gaps": incident.gaps,
    }


def signed_body(note: Note, plan: Plan) -> bytes:
    """The bytes of a webhook's body: what is signed is what is sent."""
    return msgspec.json.encode(document(note, plan))


def syslog_line(note: Note, plan: Plan, sent_us: int) -> bytes:
    """One RFC 5424 message: facility daemon, severity warning (opened) or notice (over)."""
    incident = note.incident
    severity = 3 * 8 + (4 if note.phase == "opened" else 5)
    text = f"{subject([note], plan)}: {incident.over_text if note.phase == 'over' else incident.detail}"
    plain = text.replace("\n", " ")
    return f"<{severity}>1 {show(sent_us)} {incident.server} understudy - {incident.kind} - \ufeff{plain}".encode()

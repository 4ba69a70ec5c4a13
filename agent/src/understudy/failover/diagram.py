"""The table of states as Mermaid diagrams and a Markdown table, for docs/concepts/failover.md. Pure but for `main`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from understudy.failover.row import Row, Who
from understudy.failover.states import TABLE

BEGIN, END = "<!-- generated: states -->", "<!-- end generated -->"
DOCUMENT = Path("docs/concepts/failover.md")
TITLES: dict[Who, str] = {
    "home": "A server and its own logical server",
    "standby": "A standby and one of the logical servers it stands by for",
}


def mermaid(rows: Iterable[Row]) -> str:
    """A state diagram; rows between the same two states share an arrow, rows that stay are left to the table."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.before != row.after:
            arrows.setdefault((row.before, row.after), []).append(f"{row.id} {row.sentence}")
    lines = [f"    {before} --> {after}: {'<br>'.join(texts)}" for (before, after), texts in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> STARTING", *lines, "```"])


def table(rows: Iterable[Row]) -> str:
    """All rows, in the order in which they are tried."""
    lines = ["| row | from | when | to | does |", "|---|---|---|---|---|"]
    for row in rows:
        after = row.after if row.after != row.before else "(stays)"
        lines.append(f"| {row.id} | {row.before} | {row.sentence} | {after} | {row.does or '–'} |")
    return "\n".join(lines)


def section() -> str:
    """Everything between the markers."""
    parts = []
    for who, title in TITLES.items():
        rows = [row for row in TABLE if row.who == who]
        parts.append(f"### {title}\n\n{mermaid(rows)}\n\n{table(rows)}")
    return "\n\n".join(parts)


def replaced(document: str) -> str:
    """The document with the section between its markers made anew; ValueError when a marker is missing."""
    before, found_begin, rest = document.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not found_begin or not found_end:
        raise ValueError(f"the document has no section between {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{section()}\n{END}{after}"


def main() -> int:
    """Write the diagram into the document, or (`--check`) say whether it has drifted."""
    parser = argparse.ArgumentParser(prog="python -m understudy.failover.states")
    parser.add_argument("--diagram", action="store_true", help=f"regenerate the section in {DOCUMENT}")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if it would change")
    options = parser.parse_args()
    if not (options.diagram or options.check):
        parser.error("one of --diagram and --check is needed")
    document = DOCUMENT.read_text(encoding="utf-8")
    wanted = replaced(document)
    if options.check:
        return 0 if wanted == document else 1
    DOCUMENT.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

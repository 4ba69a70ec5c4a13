"""The table: every way a server's state for a part can change, each a row with a number, a guard and a sentence. Pure.

This is where it is decided who takes over. The first row of the current state whose guard gives a reason fires; at
most one per part and step. A row that stays in its state fires once and again only after another row of the part has
fired. CLEARED and DETACHED are left by a restart of the machine only: every agent begins with STARTING.
`python -m understudy.failover.states --diagram` writes the diagram and the table into docs/concepts/failover.md.
"""

from __future__ import annotations

from typing import get_args

from understudy.failover import table_home, table_standby
from understudy.failover.facts import Facts
from understudy.failover.memory import Part
from understudy.failover.model import Phase
from understudy.failover.row import Row, Who

TABLE: tuple[Row, ...] = (*table_home.ROWS, *table_standby.ROWS)

#: row -> its sentence, for what others say of themselves
SENTENCES: dict[int, str] = {row.id: row.sentence for row in TABLE}

#: rows of the server as a whole, fired by `step`
START_ROW, PRIMARY_ROW, NOT_PRIMARY_ROW = 101, 351, 352

ROWS: dict[tuple[Who, Phase], tuple[Row, ...]] = {
    (who, phase): tuple(row for row in TABLE if row.who == who and row.before == phase)
    for who in get_args(Who)
    for phase in Phase
}


def find(facts: Facts, part: Part, who: Who) -> tuple[Row, str] | None:
    """The row that fires for the part now, with its reason; None when nothing changes."""
    for row in ROWS[who, part.phase]:
        if row.after == row.before and part.row == row.id:
            continue
        reason = row.guard(facts, part)
        if reason is not None:
            return row, f"{row.sentence}: {reason}"
    return None


if __name__ == "__main__":
    from understudy.failover.diagram import main

    raise SystemExit(main())

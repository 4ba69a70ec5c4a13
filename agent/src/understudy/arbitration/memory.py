"""A linearizable register in memory, for the simulation and tests.

No I/O; unavailability and delay are the caller's business.
"""

from __future__ import annotations

from understudy.arbitration.register import Txn


class MemoryRegister:
    """Executes transactions one after the other; `values` may be looked at, and changed to stage a fault."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def execute(self, txn: Txn) -> tuple[bool, dict[str, bytes | None]]:
        """See `register.Register`."""
        holds = all(self.values.get(key) == expected for key, expected in txn.compare)
        if holds:
            self.values.update(txn.puts)
        return holds, {key: self.values.get(key) for key in txn.reads}

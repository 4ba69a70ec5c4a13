"""Logging to the journal: one line per event on standard error, with a priority for systemd (sd-daemon(3))."""

from __future__ import annotations

import logging
import sys

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        priority = _PRIORITY.get(record.levelno, 6)
        # A traceback is several lines: each needs the priority, or the journal files the rest as ordinary output.
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def setup(level: int = logging.INFO) -> None:
    """Send all loggers of this process to standard error; call once, first thing in a service's main."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)

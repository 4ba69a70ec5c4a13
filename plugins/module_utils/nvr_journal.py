# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as an issue in a server's journal, and which lines are expected. Pure, on journalctl's JSON lines."""

from __future__ import annotations

import datetime
import json
import re
from typing import Any


def entries(text: str) -> list[dict[str, str]]:
    """Lines of `journalctl --output json` as {time, unit, message}; a line that is cut off is left out."""
    found = []
    for line in text.splitlines():
        try:
            found.append(_entry(json.loads(line)))
        except (ValueError, TypeError, KeyError):
            continue
    return found


def _entry(fields: dict[str, Any]) -> dict[str, str]:
    instant = datetime.datetime.fromtimestamp(int(fields["__REALTIME_TIMESTAMP"]) / 1e6, datetime.UTC)
    message = fields.get("MESSAGE") or ""
    if isinstance(message, list):  # bytes that are no UTF-8
        message = bytes(message).decode("utf-8", "replace")
    return {
        "time": instant.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "unit": str(fields.get("_SYSTEMD_UNIT") or fields.get("SYSLOG_IDENTIFIER") or "kernel"),
        "message": str(message),
    }


def judge(seen: list[dict[str, str]], expected: list[dict[str, str]]) -> tuple[list[dict[str, str]], dict[str, int]]:
    """(issues, how often each expected pattern was seen)."""
    issues, counted = [], {row["pattern"]: 0 for row in expected}
    for entry in seen:
        line = f"{entry['unit']}: {entry['message']}"
        row = next((row for row in expected if re.search(row["pattern"], line)), None)
        if row is None:
            issues.append(entry)
        else:
            counted[row["pattern"]] += 1
    return issues, counted


def last_with(seen: list[dict[str, str]], text: str) -> str:
    """The time of the last line that holds `text`, "" when none does."""
    return next((entry["time"] for entry in reversed(seen) if text in entry["message"]), "")

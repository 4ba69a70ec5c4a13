# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words in which the site file is declared: kinds of values, with what is allowed. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NAME = r"[a-z][a-z0-9-]{0,30}"
NIC = r"[A-Za-z0-9_.-]{1,15}"
LETTER = r"[A-Z]"
WINDOW = r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d"

#: marks a key that must be given
REQUIRED: Any = object()


@dataclass(frozen=True)
class Text:
    """A string; `pattern` must match all of it, `choices` lists the only values."""

    doc: str
    default: Any = REQUIRED
    pattern: str | None = None
    choices: tuple[str, ...] = ()
    #: how to say `pattern` to people
    allowed: str = ""


@dataclass(frozen=True)
class Number:
    doc: str
    default: Any = REQUIRED
    low: float = 0
    high: float = 1e9
    whole: bool = False


@dataclass(frozen=True)
class Flag:
    doc: str
    default: Any = REQUIRED


@dataclass(frozen=True)
class ListOf:
    """A list; `of` describes each item."""

    doc: str
    of: Any
    default: Any = REQUIRED


@dataclass(frozen=True)
class Mapping:
    """A mapping with known keys."""

    doc: str
    fields: dict[str, Any] = field(default_factory=dict)
    default: Any = REQUIRED


@dataclass(frozen=True)
class MapOf:
    """A mapping from names of one form to values of one form."""

    doc: str
    key: str
    key_doc: str
    of: Any
    default: Any = REQUIRED

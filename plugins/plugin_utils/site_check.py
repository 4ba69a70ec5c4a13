# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a site file against its declaration and fill in defaults: all problems at once, with line, key and value."""

from __future__ import annotations

import difflib
import re
from typing import Any

from .site_schema import SITE_FILE
from .site_spec import REQUIRED, Flag, ListOf, MapOf, Mapping, Number, Text
from .site_yaml import Document, Path


def check(document: Document) -> Any:
    """Return the data with defaults filled in; what is wrong is added to `document.problems`."""
    if document.problems:
        return None
    return _value(document, SITE_FILE, document.data, ())


def _value(document: Document, spec: Any, value: Any, path: Path) -> Any:
    return _CHECKS[type(spec)](document, spec, value, path)


def _mapping(document: Document, spec: Mapping, value: Any, path: Path) -> Any:
    if not isinstance(value, dict):
        document.problem(path, f"{_shown(value)} is not a mapping; allowed keys: {', '.join(spec.fields)}")
        return {}
    for key in value:
        if key not in spec.fields:
            document.problem((*path, key), f"unknown key{_hint(key, spec.fields)}; allowed: {', '.join(spec.fields)}")
    out = {}
    for key, below in spec.fields.items():
        if key in value:
            out[key] = _value(document, below, value[key], (*path, key))
        elif below.default is REQUIRED:
            document.problem(path, f"{key} is missing ({below.doc})")
        elif isinstance(below, Mapping) and below.default is not None:
            out[key] = _value(document, below, below.default, (*path, key))
        else:
            out[key] = below.default
    return out


def _map_of(document: Document, spec: MapOf, value: Any, path: Path) -> Any:
    if not isinstance(value, dict):
        document.problem(path, f"{_shown(value)} is not a mapping ({spec.doc})")
        return {}
    out = {}
    for key, below in value.items():
        if not re.fullmatch(spec.key, key):
            document.problem((*path, key), f"{_shown(key)} is not allowed as a key: {spec.key_doc} ({spec.key})")
        out[key] = _value(document, spec.of, {} if below is None else below, (*path, key))
    return out


def _list_of(document: Document, spec: ListOf, value: Any, path: Path) -> Any:
    if not isinstance(value, list):
        document.problem(path, f"{_shown(value)} is not a list ({spec.doc})")
        return []
    return [_value(document, spec.of, item, (*path, index)) for index, item in enumerate(value)]


def _text(document: Document, spec: Text, value: Any, path: Path) -> Any:
    if not isinstance(value, str):
        document.problem(path, f"{_shown(value)} is not text ({spec.doc}); put it in quotes if it is meant so")
        return ""
    if spec.choices and value not in spec.choices:
        document.problem(path, f"{_shown(value)}{_hint(value, spec.choices)}; allowed: {', '.join(spec.choices)}")
    elif spec.pattern and not re.fullmatch(spec.pattern, value):
        document.problem(path, f"{_shown(value)} is not allowed; allowed: {spec.allowed or spec.pattern}")
    elif not value and spec.default is REQUIRED:
        document.problem(path, f"is empty ({spec.doc})")
    return value


def _number(document: Document, spec: Number, value: Any, path: Path) -> Any:
    kind = "a whole number" if spec.whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if spec.whole else (int, float)):
        document.problem(path, f"{_shown(value)} is not {kind} ({spec.doc})")
        return spec.low
    if not spec.low <= value <= spec.high:
        document.problem(path, f"{value} is out of range; allowed: {kind} from {spec.low:g} to {spec.high:g}")
    return value


def _flag(document: Document, spec: Flag, value: Any, path: Path) -> Any:
    if not isinstance(value, bool):
        document.problem(path, f"{_shown(value)} is not true or false ({spec.doc})")
        return False
    return value


def _shown(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else "nothing" if value is None else repr(value)


def _hint(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f", did you mean {near[0]}?" if near else ""


_CHECKS: dict[type, Any] = {
    Mapping: _mapping,
    MapOf: _map_of,
    ListOf: _list_of,
    Text: _text,
    Number: _number,
    Flag: _flag,
}

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a site file so that every value knows its line. Controller side only; touches nothing but the text given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # pragma: no cover - PyYAML without libyaml
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

Path = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a site file. `line` counts from 1; 0 when there is no line to name."""

    line: int
    path: str
    text: str

    def render(self, file: str) -> str:
        where = f"{file}:{self.line}" if self.line else file
        return f"{where}: {self.path}: {self.text}" if self.path else f"{where}: {self.text}"


def path_text(path: Path) -> str:
    """`("logical", "north", "cameras", 0)` as people write it: `logical.north.cameras[0]`."""
    out = ""
    for step in path:
        out += f"[{step}]" if isinstance(step, int) else f".{step}" if out else str(step)
    return out


@dataclass
class Document:
    """The data of a site file, and the line of every value."""

    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of the value at `path`, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def problem(self, path: Path, text: str) -> None:
        self.problems.append(Problem(self.line(path), path_text(path), text))


def load(text: str) -> Document:
    """Parse `text`; syntax errors and duplicate keys become problems of the document, not exceptions."""
    document = Document()
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is not None:
            document.data = _build(loader, document, root, ())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        document.problems.append(Problem(line, "", f"not YAML: {error.problem}"))
    finally:
        loader.dispose()
    return document


def _build(loader: Any, document: Document, node: Node, path: Path) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, MappingNode):
        return _build_mapping(loader, document, node, path)
    if isinstance(node, SequenceNode):
        return [_build(loader, document, item, (*path, index)) for index, item in enumerate(node.value)]
    return loader.construct_object(node)


def _build_mapping(loader: Any, document: Document, node: MappingNode, path: Path) -> dict[str, Any]:
    out: dict[str, Any] = {}
    loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node))
        below = (*path, key)
        if key in out:
            line = key_node.start_mark.line + 1
            first = document.lines[below]
            document.problems.append(Problem(line, path_text(below), f"given twice; first on line {first}"))
        document.lines[below] = key_node.start_mark.line + 1
        out[key] = _build(loader, document, value_node, below)
    return out

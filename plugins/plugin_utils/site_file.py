# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a site file on disk to host variables, or to one error that names every mistake in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .site_check import check
from .site_needs import capacity
from .site_plan import host_variables, site_plan
from .site_rules import check_rules, machines
from .site_yaml import Document, load


class SiteFileError(Exception):
    """The site file is refused; the text has one line per mistake: file, line, key, value, what is allowed."""


def read_site(path: Path, load_secrets: Callable[[Path], Any]) -> dict[str, dict[str, Any]]:
    """Host variables by machine name. `load_secrets` reads a YAML file that may be encrypted.

    Raises SiteFileError with every mistake at once.
    """
    document = load(path.read_text(encoding="utf-8"))
    data = check(document)
    _stop(path, document)
    secrets_path = path.parent / data["site"]["secrets"]
    credentials = _credentials(document, secrets_path, load_secrets)
    _stop(path, document)
    check_rules(document, data, credentials, str(secrets_path))
    _stop(path, document)
    plan = site_plan(data, credentials)
    controller_dir = str((path.parent / data["site"]["controller_dir"]).resolve())
    shared = {"understudy_capacity": capacity(data)}
    return {
        name: {**host_variables(data, plan, name, controller_dir), **shared} for _kind, name, _machine in machines(data)
    }


def _credentials(document: Document, path: Path, load_secrets: Callable[[Path], Any]) -> Any:
    if not path.exists():
        return {}
    secrets = load_secrets(path) or {}
    credentials = secrets.get("understudy_credentials", {}) if isinstance(secrets, dict) else None
    if not isinstance(credentials, dict):
        document.problem(
            ("site", "secrets"), f"{path}: `understudy_credentials` is not a mapping of names to username and password"
        )
        return {}
    return credentials


def _stop(path: Path, document: Document) -> None:
    if document.problems:
        lines = [problem.render(str(path)) for problem in sorted(document.problems)]
        count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
        raise SiteFileError(f"{count} in the site file; nothing was touched.\n" + "\n".join(lines))


def host_groups(variables: dict[str, Any]) -> list[str]:
    """The inventory groups of a machine, from its host variables."""
    plan = variables["understudy_plan"]
    server = next(server for server in plan["servers"] if server["name"] == plan["node"])
    kind = {"server": "recorders", "standby": "standbys", "witness": "witnesses"}[server["kind"]]
    return [kind, "voters"] if server["etcd_voter"] else [kind]

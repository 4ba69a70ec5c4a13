#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: package_set
short_description: Install the Debian packages that are missing
version_added: 0.1.0
description:
  - Installs those of a set of packages that are not installed. When none is missing, no network is needed and nothing
    but the package database is read.
  - Configuration files that were changed on the host are kept.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
options:
  names:
    description: Names of the packages. An entry of the form V(a|b) is satisfied by either, and installs the first.
    type: list
    elements: str
    required: true
  start_services:
    description: Whether services of freshly installed packages may start by themselves.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Install the web server
  understudy.nvr.package_set:
    names: [nginx-light|nginx]
"""

RETURN = r"""
installed:
  description: Packages that were installed, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [nginx-light]
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

POLICY = Path("/usr/sbin/policy-rc.d")


def missing(names: list[Any], present: set[str]) -> list[Any]:
    """What has to be installed so that every entry of `names` is satisfied by `present`."""
    return [entry.split("|")[0] for entry in names if not present.intersection(entry.split("|"))]


def load(module: AnsibleModule, names: list[Any]) -> set[str]:
    """Which of `names` are installed."""
    candidates = [name for entry in names for name in entry.split("|")]
    _code, out, _err = module.run_command(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\\n", *candidates])
    rows = [line.split() for line in out.splitlines()]
    return {row[1] for row in rows if len(row) == 2 and row[0] == "installed"}


@contextlib.contextmanager
def services_held(active: bool) -> Iterator[None]:
    """Keep packages from starting their services while they are installed."""
    if not active or POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def install(module: AnsibleModule, names: list[Any]) -> None:
    """Install `names`, with the package lists as they are first and fresh ones if that fails."""
    environment = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    words = ["apt-get", "install", "--yes", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"]
    words += ["-o", "DPkg::Lock::Timeout=120", *names]
    code, out, err = module.run_command(words, environ_update=environment)
    if code != 0:
        module.run_command(["apt-get", "update"], environ_update=environment)
        code, out, err = module.run_command(words, environ_update=environment)
    if code != 0:
        module.fail_json(msg=f"cannot install {', '.join(names)}: {(err or out).strip()[-2000:]}")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "start_services": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    wanted = missing(module.params["names"], load(module, module.params["names"]))
    if wanted and not module.check_mode:
        with services_held(not module.params["start_services"]):
            install(module, wanted)
    module.exit_json(
        changed=bool(wanted),
        installed=wanted,
        diff={"before": "", "after": "".join(f"{name}\n" for name in wanted)},
    )


if __name__ == "__main__":
    main()

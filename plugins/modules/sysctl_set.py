#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl_set
short_description: Set kernel parameters in one file and in the running kernel
version_added: 0.1.0
description:
  - Writes one file of kernel parameters and brings the running kernel to the same values.
  - A parameter that the kernel does not have is left out of the comparison and named in RV(absent).
  - In a container the parameters may be read-only. One that already has its value is fine; one that has not is an error
    that says so, because the container's maker has to set it.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
options:
  values:
    description: Values by dotted name.
    type: dict
    required: true
  path:
    description: The file, below C(/etc/sysctl.d).
    type: path
    default: /etc/sysctl.d/60-understudy.conf
"""

EXAMPLES = r"""
- name: Let services listen on addresses that come and go
  understudy.nvr.sysctl_set:
    values:
      net.ipv4.ip_nonlocal_bind: 1
      net.ipv6.ip_nonlocal_bind: 1
"""

RETURN = r"""
changed_values:
  description: Parameters whose running value was changed, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [net.ipv4.ip_nonlocal_bind]
absent:
  description: Parameters the kernel does not have.
  returned: always
  type: list
  elements: str
  sample: []
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_files

HEADER = "# Written by site.yml. Loaded at boot; the running kernel has the same values.\n"


def text(values: dict[str, Any]) -> str:
    """The file for `values`."""
    return HEADER + "".join(f"{name} = {values[name]}\n" for name in sorted(values))


def proc_path(name: str) -> Path:
    """Where the kernel shows `name`. A dot inside an interface's name is written as a slash, as sysctl(8) has it."""
    return Path("/proc/sys") / name.translate(str.maketrans("./", "/."))


def differing(values: dict[str, Any], running: dict[str, Any]) -> list[Any]:
    """The parameters whose running value is another; those the kernel does not have are not compared."""
    return [name for name in sorted(values) if name in running and running[name].split() != values[name].split()]


def load(values: dict[str, Any]) -> dict[str, Any]:
    """The running values of those of `values` the kernel has."""
    running = {}
    for name in values:
        try:
            running[name] = proc_path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
    return running


def write(name: str, value: str) -> bool:
    """Set one parameter of the running kernel; whether it let us."""
    try:
        proc_path(name).write_text(value, encoding="ascii")
    except OSError:
        return False
    return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "values": {"type": "dict", "required": True},
            "path": {"type": "path", "default": "/etc/sysctl.d/60-understudy.conf"},
        },
        supports_check_mode=True,
    )
    values = {name: str(value) for name, value in module.params["values"].items()}
    desired = nvr_files.Desired(
        module.params["path"], content=text(values).encode(), owner="root", group="root", mode=0o644
    )
    changes = nvr_files.plan([desired], {desired.dest: nvr_files.load(desired.dest)})
    running = load(values)
    wrong = differing(values, running)
    if not module.check_mode:
        try:
            nvr_files.apply(changes)
        except nvr_files.FilesError as error:
            module.fail_json(msg=str(error))
        refused = [name for name in wrong if not write(name, values[name])]
        if refused:
            told = ", ".join(f"{name} is {running[name]}, should be {values[name]}" for name in refused)
            options = " ".join(f"--sysctl {name}={values[name]}" for name in refused)
            module.fail_json(
                msg=f"the kernel does not let these be set: {told}. "
                f"In a container they have to be given where it is made: {options}"
            )
    live = {
        "before_header": "running kernel",
        "after_header": "running kernel",
        "before": "".join(f"{name} = {running[name]}\n" for name in wrong),
        "after": "".join(f"{name} = {values[name]}\n" for name in wrong),
    }
    module.exit_json(
        changed=bool(changes or wrong),
        changed_values=wrong,
        absent=sorted(name for name in values if not proc_path(name).exists()),
        diff=[change.diff for change in changes] + ([live] if wrong else []),
    )


if __name__ == "__main__":
    main()

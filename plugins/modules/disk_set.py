#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_set
short_description: Mount the disk letters and hand them to the recorder
version_added: 0.1.0
description:
  - Mounts the file system of every disk letter by its label or UUID through a systemd mount unit, and sets owner and
    permissions of what is mounted. Nothing is ever formatted.
  - The bare directory below a mount belongs to root alone, so that nothing is recorded to the system disk when a disk
    is missing.
  - Fails when a path is not a mount point of its own in the end.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
  - understudy.nvr._disks
options:
  owner:
    description: Owner of what is mounted.
    type: str
    default: understudy
  group:
    description: Group of what is mounted.
    type: str
    default: understudy
  mode:
    description: Permissions of what is mounted, in octal.
    type: str
    default: "0750"
seealso:
  - module: understudy.nvr.disk_info
"""

EXAMPLES = r"""
- name: Mount the disk letters
  understudy.nvr.disk_set:
    disks: "{{ understudy_disks }}"
"""

RETURN = r"""
disks:
  description: One entry for each letter, in the given order.
  returned: success
  type: list
  elements: dict
  sample:
    - {letter: C, path: /srv/footage/C, mounted: true, device: /dev/sdb1, fstype: ext4, label: rec1-C, uuid: 0a1b,
       read_only: false, total_bytes: 4000000000000, free_bytes: 100000000000, problems: []}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_disks, nvr_files, nvr_units

UNIT_FOLDER = Path("/etc/systemd/system")


def mount(module: AnsibleModule, disks: list[Any]) -> tuple[Any, ...]:
    """Mount the letters this collection mounts; (changed, diffs)."""
    mine = [disk for disk in disks if not disk.provided]
    if not mine:
        return False, []
    for disk in mine:
        if disk.source is None:
            module.fail_json(msg=f"disk letter {disk.letter}: neither label nor uuid; give one, or say provided: true")
    units = [nvr_units.Wanted(nvr_disks.unit_name(disk.path)) for disk in mine]
    wanted = [
        nvr_files.Desired(
            str(UNIT_FOLDER / nvr_disks.unit_name(disk.path)), content=nvr_disks.mount_unit(disk).encode(), mode=0o644
        )
        for disk in mine
    ]
    bare = [disk.path for disk in mine if not Path(disk.path).exists()]
    changes = nvr_files.plan(wanted, {item.dest: nvr_files.load(item.dest) for item in wanted})
    if not module.check_mode:
        for path in bare:
            Path(path).mkdir(mode=0o700, parents=True)
        nvr_files.apply(changes)
        if changes:
            nvr_units.daemon_reload()
    loaded = nvr_units.load([unit.name for unit in units])
    actions = nvr_units.plan(units, loaded, {})
    if not module.check_mode:
        nvr_units.apply(actions, units)
    diffs = [change.diff for change in changes]
    diffs += [nvr_units.describe(units, loaded, actions)] if actions else []
    return bool(bare or changes or actions), diffs


def run(module: AnsibleModule) -> dict[str, Any]:
    """Mount, check, own; the module's result."""
    disks = [nvr_disks.from_options(item) for item in module.params["disks"]]
    changed, diffs = mount(module, disks)
    found = {disk.letter: nvr_disks.load(disk.path) for disk in disks}
    told = [text for disk in disks for text in nvr_disks.problems(disk, found[disk.letter])]
    if told and not module.check_mode:
        module.fail_json(msg="; ".join(told))
    for text in told:
        module.warn(text)
    owned = [
        nvr_files.Desired(
            disk.path,
            state="directory",
            owner=module.params["owner"],
            group=module.params["group"],
            mode=int(module.params["mode"], 8),
        )
        for disk in disks
        if found[disk.letter].mounted
    ]
    changes = nvr_files.plan(owned, {item.dest: nvr_files.load(item.dest) for item in owned})
    if not module.check_mode:
        nvr_files.apply(changes)
    return {
        "changed": changed or bool(changes),
        "disks": [nvr_disks.to_result(disk, found[disk.letter]) for disk in disks],
        "diff": diffs + [change.diff for change in changes],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "disks": {"type": "list", "elements": "dict", "required": True, "options": nvr_disks.OPTIONS},
            "owner": {"type": "str", "default": "understudy"},
            "group": {"type": "str", "default": "understudy"},
            "mode": {"type": "str", "default": "0750"},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module))
    except (nvr_files.FilesError, nvr_units.UnitsError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

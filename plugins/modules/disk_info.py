#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_info
short_description: Tell what is mounted on the disk letters
version_added: 0.1.0
description:
  - Looks at the paths of the disk letters and tells whether the right file system is mounted there, writable.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
  - understudy.nvr._attributes.info_module
  - understudy.nvr._disks
seealso:
  - module: understudy.nvr.disk_set
"""

EXAMPLES = r"""
- name: Look at the disk letters
  understudy.nvr.disk_info:
    disks: "{{ understudy_disks }}"
  register: disks
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
problems:
  description: Why letters cannot be recorded to, one sentence each.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_disks


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "disks": {"type": "list", "elements": "dict", "required": True, "options": nvr_disks.OPTIONS},
        },
        supports_check_mode=True,
    )
    disks = [nvr_disks.from_options(item) for item in module.params["disks"]]
    results = [nvr_disks.to_result(disk, nvr_disks.load(disk.path)) for disk in disks]
    module.exit_json(changed=False, disks=results, problems=[text for result in results for text in result["problems"]])


if __name__ == "__main__":
    main()

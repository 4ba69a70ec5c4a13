#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: user_set
short_description: Make the passwords of a site's users and the file that servers check them with
version_added: 0.1.0
description:
  - Keeps the users of the viewer page in a folder on the controller. Each has a file C(NAME.password), made at random
    when it is missing; whoever wants another password writes it there.
  - Makes C(users.json) from them, with the role and the scrypt hash of every password. Only this file goes to servers.
  - Removes the password files of users that are not listed any more.
  - Passwords and hashes are never shown and never returned.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
options:
  directory:
    description: The folder. Created for the user alone when missing.
    type: path
    required: true
  users:
    description: The users, all of them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What they log in with.
        type: str
        required: true
      role:
        description: C(viewer) may look at everything, C(admin) may also move parts and put servers into maintenance.
        type: str
        choices: [viewer, admin]
        default: viewer
"""

EXAMPLES = r"""
- name: Make the users
  understudy.nvr.user_set:
    directory: "{{ understudy_site.controller_dir }}/users"
    users:
      - {name: admin, role: admin}
      - {name: guard}
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
made:
  description: What was made or changed and why, or would be in check mode.
  returned: success
  type: dict
  sample: {admin: is new}
"""
import fcntl
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils.nvr_users import Store, UserFileError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "users": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "role": {"type": "str", "choices": ["viewer", "admin"], "default": "viewer"},
                },
            },
        },
        supports_check_mode=True,
    )
    directory = Path(module.params["directory"])
    store = Store(directory, {user["name"]: user["role"] for user in module.params["users"]}, module.check_mode)
    try:
        if module.check_mode:
            module.exit_json(**store.run())
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (directory / ".lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            module.exit_json(**store.run())
    except (OSError, UserFileError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_files
short_description: Write many files, directories and links in one call
version_added: 0.1.0
description:
  - Brings a whole set of files, directories and symbolic links to their desired state with one module call.
  - Every file is staged and validated before the first one is replaced, so a refused file leaves the set as it was.
  - Replacement is atomic for each file.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
options:
  files:
    description:
      - The desired set, in the order in which it is applied.
    type: list
    elements: dict
    required: true
    suboptions:
      dest:
        description: Absolute path.
        type: path
        required: true
      state:
        description:
          - What should be at O(files[].dest).
          - A directory is never removed, and nothing but a file or a link is ever replaced.
        type: str
        choices: [file, directory, link, absent]
        default: file
      content:
        description: The text of a file.
        type: str
      secret_content:
        description:
          - The text of a file that must not be shown. Used in place of O(files[].content).
          - The diff of a JSON document shows its structure with secrets masked, that of any other text only its size.
        type: str
      target:
        description: Where a link points to.
        type: str
      owner:
        description: Name of the owner. Without it the owner stays, V(root) for new files.
        type: str
      group:
        description: Name of the group. Without it the group stays, V(root) for new files.
        type: str
      mode:
        description: Permissions in octal, such as V("0640"). Without it they stay, V("0644") or V("0755") for new ones.
        type: str
      validate:
        description:
          - Command that must succeed before the file is put in place. V(%s) stands for the staged file.
          - Skipped in check mode.
        type: str
"""

EXAMPLES = r"""
- name: Write the configuration of the time service
  understudy.nvr.config_files:
    files:
      - dest: /etc/chrony/chrony.conf
        content: "{{ lookup('ansible.builtin.template', 'chrony.conf.j2') }}"
        mode: "0644"
        validate: /usr/sbin/chronyd -p -f %s
      - dest: /etc/understudy
        state: directory
        group: understudy
        mode: "0750"
      - dest: /etc/understudy/heartbeat.key
        secret_content: "{{ lookup('ansible.builtin.file', 'heartbeat.key') }}"
        group: understudy
        mode: "0640"
"""

RETURN = r"""
changed_files:
  description: Paths that were changed, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [/etc/chrony/chrony.conf]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_files


class QuietModule(AnsibleModule):  # type: ignore[misc]
    """A module whose arguments stay out of the host's journal.

    Ansible masks secrets there by their value, but writes the value with its line breaks and quotes escaped: a private
    key is not recognised as the secret it is.
    """

    def _log_invocation(self) -> None:
        self.log("Invoked; the arguments hold secrets and are not told")


def desired(item: dict[str, Any]) -> nvr_files.Desired:
    """One entry of the option `files` as the planner wants it."""
    secret = item["secret_content"] is not None
    content = item["secret_content"] if secret else item["content"] or ""
    return nvr_files.Desired(
        dest=item["dest"],
        state=item["state"],
        content=content.encode(),
        secret=secret,
        target=item["target"] or "",
        owner=item["owner"],
        group=item["group"],
        mode=int(item["mode"], 8) if item["mode"] else None,
        validate=item["validate"],
    )


def main() -> None:
    module = QuietModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "dest": {"type": "path", "required": True},
                    "state": {"type": "str", "choices": ["file", "directory", "link", "absent"], "default": "file"},
                    "content": {"type": "str"},
                    "secret_content": {"type": "str", "no_log": True},
                    "target": {"type": "str"},
                    "owner": {"type": "str"},
                    "group": {"type": "str"},
                    "mode": {"type": "str"},
                    "validate": {"type": "str"},
                },
                "mutually_exclusive": [["content", "secret_content"]],
                "required_if": [["state", "file", ["content", "secret_content"], True], ["state", "link", ["target"]]],
            }
        },
        supports_check_mode=True,
    )
    try:
        wanted = [desired(item) for item in module.params["files"]]
    except ValueError as error:
        module.fail_json(msg=f"files: mode: {error}")
    changes = nvr_files.plan(wanted, {item.dest: nvr_files.load(item.dest) for item in wanted})
    if changes and not module.check_mode:
        try:
            nvr_files.apply(changes)
        except nvr_files.FilesError as error:
            module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(changes),
        changed_files=[change.desired.dest for change in changes],
        diff=[change.diff for change in changes],
    )


if __name__ == "__main__":
    main()

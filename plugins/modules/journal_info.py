#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: journal_info
short_description: Read issues, and what was said, from a server's journal
version_added: 0.1.0
description:
  - An issue is a line of priority C(err) or worse of any unit or of the kernel that no row of O(expected) explains, and
    every unit that systemd calls failed.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
  - understudy.nvr._attributes.info_module
options:
  since:
    description: From when on, in seconds since the epoch.
    type: int
    required: true
  expected:
    description: Lines that are no issue.
    type: list
    elements: dict
    default: []
    suboptions:
      pattern:
        description: Regular expression, searched in C(unit colon blank message).
        type: str
        required: true
      why:
        description: Why it is no issue.
        type: str
        required: true
  unit:
    description: The unit in whose lines O(texts) are looked for.
    type: str
    default: understudy-agent.service
  texts:
    description: What is looked for.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Read what the standby said since its restart
  understudy.nvr.journal_info:
    since: 1795427000
    texts: [PRIMARY STANDBY]
  register: journal
"""

RETURN = r"""
issues:
  description: Lines that are issues.
  returned: success
  type: list
  elements: dict
  contains:
    time:
      description: When.
      type: str
    unit:
      description: Of which unit.
      type: str
    message:
      description: What it says.
      type: str
  sample: []
expected:
  description: How many lines each pattern explained.
  returned: success
  type: dict
  sample: {}
found:
  description: For each of O(texts), the time of the last line that holds it, empty without one.
  returned: success
  type: dict
  sample: {PRIMARY STANDBY: "2026-11-23T10:00:00.000Z"}
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_journal


def failed_units(text: str) -> list[dict[str, str]]:
    """`systemctl --failed --plain --no-legend` as issues."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    names = [line.split()[0] for line in text.splitlines() if line.strip()]
    return [{"time": now, "unit": name, "message": "the unit has failed"} for name in names]


def main() -> None:
    row = {"pattern": {"type": "str", "required": True}, "why": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={
            "since": {"type": "int", "required": True},
            "expected": {"type": "list", "elements": "dict", "default": [], "options": row},
            "unit": {"type": "str", "default": "understudy-agent.service"},
            "texts": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params

    def run(words: list[str]) -> str:
        code, out, err = module.run_command(words)
        if code != 0:
            module.fail_json(msg=f"{' '.join(words)}: {err.strip() or code}")
        return str(out)

    common = ["journalctl", "--since", f"@{params['since']}", "--no-pager", "--output", "json"]
    errors = nvr_journal.entries(run([*common, "--priority", "err"]))
    issues, counted = nvr_journal.judge(errors, params["expected"])
    said = nvr_journal.entries(run([*common, "--unit", params["unit"]])) if params["texts"] else []
    module.exit_json(
        changed=False,
        issues=issues + failed_units(run(["systemctl", "--failed", "--plain", "--no-legend"])),
        expected=counted,
        found={text: nvr_journal.last_with(said, text) for text in params["texts"]},
    )


if __name__ == "__main__":
    main()

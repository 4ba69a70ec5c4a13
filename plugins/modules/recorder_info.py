#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recorder_info
short_description: Ask the recorder for its progress
version_added: 0.1.0
description:
  - Returns what the recorder of this host does for every camera and disk letter, judged by frames, not by the process.
  - Can wait until frames of every camera flow and the pre-roll of protected cameras is filled again.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
  - understudy.nvr._attributes.info_module
options:
  socket:
    description: The recorder's control socket.
    type: path
    default: /run/understudy-recorder/control.sock
  timeout:
    description: How many seconds one answer may take.
    type: float
    default: 5
  wait:
    description: How many seconds to wait at most until there are no problems.
    type: float
    default: 0
  preroll:
    description: How many seconds of pre-roll a protected camera needs.
    type: float
    default: 0
"""

EXAMPLES = r"""
- name: Wait until the recorder records again
  understudy.nvr.recorder_info:
    wait: 20
    preroll: 5
  register: recorder
"""

RETURN = r"""
progress:
  description: The recorder's progress, empty when it did not answer.
  returned: success
  type: dict
  sample: {node: rec1, disks: {C: {state: ok}}, parts: {north: {mode: record, cameras: []}}}
problems:
  description: What is wrong, one sentence each.
  returned: success
  type: list
  elements: str
  sample: [north/2 Hall delivers no frames]
waited:
  description: How many seconds it took.
  returned: success
  type: float
  sample: 1.5
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_agent


def look(params: dict[str, Any]) -> dict[str, Any]:
    """One question to the recorder, as the module returns it."""
    try:
        progress = nvr_agent.call(params["socket"], "progress", params["timeout"])
    except nvr_agent.AgentError as error:
        return {"progress": {}, "problems": [str(error)]}
    return {"progress": progress, "problems": nvr_agent.recording_problems(progress, params["preroll"])}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "default": "/run/understudy-recorder/control.sock"},
            "timeout": {"type": "float", "default": 5},
            "wait": {"type": "float", "default": 0},
            "preroll": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    began = time.monotonic()
    result = look(module.params)
    while result["problems"] and time.monotonic() - began < module.params["wait"]:
        time.sleep(0.5)
        result = look(module.params)
    module.exit_json(changed=False, waited=round(time.monotonic() - began, 3), **result)


if __name__ == "__main__":
    main()

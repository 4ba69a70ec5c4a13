#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: failover_info
short_description: Ask the agent who carries what
version_added: 0.1.0
description:
  - Returns the site's status document as the agent of this host sees it.
  - Can wait until every logical server is carried, and until a standby is first in line.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
  - understudy.nvr._attributes.info_module
options:
  socket:
    description: The agent's control socket.
    type: path
    default: /run/understudy-agent/control.sock
  timeout:
    description: How many seconds one answer may take.
    type: float
    default: 5
  wait:
    description: How many seconds to wait at most until there are no problems.
    type: float
    default: 0
  carried:
    description: Whether a logical server that nobody carries is a problem.
    type: bool
    default: true
  primary_standby:
    description: Whether it is a problem that no standby is first in line. Never one while a standby has taken over.
    type: bool
    default: true
  whole:
    description:
      - Whether it is a problem when the site is not whole. A whole site carries everything at home, hears every server
        and is PROTECTED.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Wait until the site is whole
  understudy.nvr.failover_info:
    wait: 30
  register: site
  failed_when: site.problems | length > 0
"""

RETURN = r"""
status:
  description: The status document, empty when the agent did not answer.
  returned: success
  type: dict
  sample: {version: 1, site: depot, protection: {state: PROTECTED, reason: ""}, servers: [], logical: []}
moved:
  description: Logical servers that are carried away from home, and by whom.
  returned: success
  type: dict
  sample: {north: stby1}
problems:
  description: What is wrong, one sentence each.
  returned: success
  type: list
  elements: str
  sample: []
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
    """One question to the agent, as the module returns it."""
    try:
        status = nvr_agent.call(params["socket"], "status", params["timeout"])["status"]
    except nvr_agent.AgentError as error:
        return {"status": {}, "moved": {}, "problems": [str(error)]}
    moved = nvr_agent.moved(status)
    busy = bool(moved)
    told = nvr_agent.problems(status, params["carried"], params["primary_standby"] and not busy)
    if params["whole"]:
        told += nvr_agent.short_of_whole(status)
    return {"status": status, "moved": moved, "problems": told}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket": {"type": "path", "default": "/run/understudy-agent/control.sock"},
            "timeout": {"type": "float", "default": 5},
            "wait": {"type": "float", "default": 0},
            "carried": {"type": "bool", "default": True},
            "primary_standby": {"type": "bool", "default": True},
            "whole": {"type": "bool", "default": False},
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

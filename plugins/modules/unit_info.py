#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: unit_info
short_description: Tell what systemd units are doing
version_added: 0.1.0
description:
  - Returns the state of a set of units in one call, and can wait until all of them are active.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
  - understudy.nvr._attributes.info_module
options:
  names:
    description: Full names of the units.
    type: list
    elements: str
    required: true
  wait:
    description: How many seconds to wait at most until all of them are active.
    type: float
    default: 0
"""

EXAMPLES = r"""
- name: Wait until the services run
  understudy.nvr.unit_info:
    names: [understudy-agent.service, understudy-recorder.service]
    wait: 10
  register: services
  failed_when: not services.all_active
"""

RETURN = r"""
all_active:
  description: Whether all of them are active.
  returned: success
  type: bool
  sample: true
units:
  description: Every unit by name.
  returned: success
  type: dict
  sample:
    nginx.service: {load: loaded, enabled: enabled, active: active, sub: running, pid: 42, restarts: 0, result: success}
problems:
  description: One sentence for every unit that is not active, with the end of its journal.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_units


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "wait": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    try:
        units = nvr_units.wait_active(module.params["names"], module.params["wait"])
    except nvr_units.UnitsError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        all_active=all(unit.active_state == "active" for unit in units.values()),
        units={
            name: {
                "load": unit.load_state,
                "enabled": unit.file_state,
                "active": unit.active_state,
                "sub": unit.sub_state,
                "pid": unit.pid,
                "restarts": unit.restarts,
                "result": unit.result,
            }
            for name, unit in units.items()
        },
        problems=[
            f"{name} is {unit.active_state} ({unit.result or unit.load_state}):\n{nvr_units.journal(name)}"
            for name, unit in units.items()
            if unit.active_state != "active"
        ],
    )


if __name__ == "__main__":
    main()

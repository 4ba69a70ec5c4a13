#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: unit_set
short_description: Bring systemd units to their desired state in one call
version_added: 0.1.0
description:
  - Enables, starts, reloads and restarts a set of units, and only those that need it.
  - A unit is restarted when its process started before one of its files was replaced, and reloaded when it last changed
    its state before. That is read from the host, so a run that was cut short is finished by the next one, and no run
    restarts what runs with its current files.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
options:
  units:
    description: The units, in the order in which they are handled.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Full name, such as V(nginx.service).
        type: str
        required: true
      enabled:
        description: Whether it is started at boot.
        type: bool
        default: true
      state:
        description: Whether it runs.
        type: str
        choices: [started, stopped]
        default: started
      restart_paths:
        description: Files it reads only when it starts. A link counts as replaced when it was pointed elsewhere.
        type: list
        elements: path
        default: []
      reload_paths:
        description: Files it reads again when it is reloaded.
        type: list
        elements: path
        default: []
      wait:
        description: Whether to wait until it has started. V(false) for one that waits for its peers on other hosts.
        type: bool
        default: true
  defer_restarts:
    description:
      - Restart nothing, but return RV(pending), so that restarts can be made one host after the other.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Start the web server
  understudy.nvr.unit_set:
    units:
      - name: nginx.service
        reload_paths: [/etc/nginx/nginx.conf]
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    unit:
      description: The unit.
      type: str
    verb:
      description: What was done to it.
      type: str
    reason:
      description: Why.
      type: str
  sample: [{unit: nginx.service, verb: start, reason: is inactive}]
pending:
  description: Units that have to be restarted and were not because of O(defer_restarts).
  returned: always
  type: list
  elements: str
  sample: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_units


def wanted_units(items: list[Any]) -> list[Any]:
    """The option `units` as the planner wants it."""
    return [
        nvr_units.Wanted(
            name=item["name"],
            enabled=item["enabled"],
            started=item["state"] == "started",
            restart_paths=tuple(item["restart_paths"]),
            reload_paths=tuple(item["reload_paths"]),
            wait=item["wait"],
        )
        for item in items
    ]


def run(module: AnsibleModule) -> dict[str, Any]:
    """Look, plan, act; the module's result."""
    wanted = wanted_units(module.params["units"])
    names = [item.name for item in wanted]
    paths = {path for item in wanted for path in item.restart_paths + item.reload_paths}
    units = nvr_units.load(names)
    stale = any(unit.needs_daemon_reload or unit.load_state == "not-found" for unit in units.values())
    if stale and not module.check_mode:
        nvr_units.daemon_reload()
        units = nvr_units.load(names)
    actions = nvr_units.plan(wanted, units, nvr_units.load_paths(paths))
    deferred = [a for a in actions if a.verb == "restart"] if module.params["defer_restarts"] else []
    actions = [action for action in actions if action not in deferred]
    if actions and not module.check_mode:
        nvr_units.apply(actions, wanted)
    return {
        "changed": bool(actions),
        "actions": [{"unit": a.unit, "verb": a.verb, "reason": a.reason} for a in actions],
        "pending": [action.unit for action in deferred],
        "diff": nvr_units.describe(wanted, units, actions),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "enabled": {"type": "bool", "default": True},
                    "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
                    "restart_paths": {"type": "list", "elements": "path", "default": []},
                    "reload_paths": {"type": "list", "elements": "path", "default": []},
                    "wait": {"type": "bool", "default": True},
                },
            },
            "defer_restarts": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**run(module))
    except nvr_units.UnitsError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: failover_set
short_description: Say what a server shall do in failover, and wait until it is so
version_added: 0.1.0
description:
  - Drains a server for maintenance and takes it back, moves logical servers and sends them home, declares and clears a
    fault, removes a server from failover for good. All of it is a desired state, so it is safe to repeat.
  - Only the carrier of a logical server gives it away. Run the module on all servers of the site with the same
    O(carriers); the one that carries it acts, the others wait with it.
  - Planned moves overlap, so no frame is missed. The next carrier records before the addresses move.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
options:
  maintenance:
    description:
      - V(true) drains this server and keeps it out of failover, V(false) takes it back in.
      - It survives restarts of the machine.
    type: bool
  maintenance_until:
    description: When maintenance ends by itself, ISO 8601 with zone. Without it, when it is switched off.
    type: str
    default: ""
  carriers:
    description: Logical servers, and the server that shall carry each; V(home) is its home, whichever that is.
    type: dict
    default: {}
  fault:
    description:
      - A sentence declares this server FAILED (99), and others carry its part. An empty text clears the fault; the
        machine has to be restarted then.
    type: str
  detached:
    description:
      - V(true) removes this server from failover for good, with the keys of logical servers. V(false) changes nothing.
      - Refused while it carries another server's part, unless O(force).
    type: bool
    default: false
  force:
    description: Remove it although it carries another server's part.
    type: bool
    default: false
  wait:
    description: How many seconds to wait at most until all of it is in effect; the module fails when it is not by then.
    type: float
    default: 30
  socket:
    description: The agent's control socket.
    type: path
    default: /run/understudy-agent/control.sock
  timeout:
    description: How many seconds one answer may take. A removal answers when nothing is carried any more.
    type: float
    default: 20
  keys:
    description: Folder with the keys of logical servers that O(detached) removes.
    type: path
    default: /etc/understudy/pki/logical
seealso:
  - module: understudy.nvr.failover_info
"""

EXAMPLES = r"""
- name: Drain the server for two hours
  understudy.nvr.failover_set:
    maintenance: true
    maintenance_until: "2026-11-23T12:00:00Z"

- name: Send every logical server home
  understudy.nvr.failover_set:
    carriers: {north: home, south: home}
    wait: 60
"""

RETURN = r"""
actions:
  description: The orders that were given, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    op:
      description: The order, as in the control protocol.
      type: str
    says:
      description: What it does, for people.
      type: str
  sample: [{op: maintenance, says: "maintenance: on"}]
status:
  description: The status document when all was in effect.
  returned: success
  type: dict
  sample: {version: 1, site: depot, protection: {state: PROTECTED, reason: ""}, servers: [], logical: []}
carried:
  description: Logical servers this server carries now.
  returned: success
  type: list
  elements: str
  sample: [north]
waited:
  description: How many seconds it took.
  returned: success
  type: float
  sample: 0.6
"""

import shutil
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_agent, nvr_orders

#: between two looks at the agent
EVERY_S = 0.2

SPEC: dict[str, Any] = {
    "maintenance": {"type": "bool"},
    "maintenance_until": {"type": "str", "default": ""},
    "carriers": {"type": "dict", "default": {}},
    "fault": {"type": "str"},
    "detached": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "wait": {"type": "float", "default": 30},
    "socket": {"type": "path", "default": "/run/understudy-agent/control.sock"},
    "timeout": {"type": "float", "default": 20},
    "keys": {"type": "path", "default": "/etc/understudy/pki/logical", "no_log": False},
}


def wanted_of(params: dict[str, Any]) -> Any:
    """The options as the planner wants them."""
    names = ("maintenance", "fault", "detached", "force")
    carriers = {str(name): str(server) for name, server in params["carriers"].items()}
    given = {name: params[name] for name in names}
    return nvr_orders.Wanted(carriers=carriers, until=params["maintenance_until"], **given)


class Agent:
    """The agent of this host."""

    def __init__(self, params: dict[str, Any]) -> None:
        self._path, self._timeout_s = params["socket"], params["timeout"]

    def ask(self, op: str, **arguments: Any) -> dict[str, Any]:
        return nvr_agent.call(self._path, op, self._timeout_s, **arguments)

    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = self.ask("status")["status"]
        return document


def wait(agent: Agent, wanted: Any, limit_s: float) -> tuple[dict[str, Any], list[str]]:
    """The newest status, and what of the wish is not so by then; a silent agent is asked again."""
    deadline = time.monotonic() + limit_s
    status: dict[str, Any] = {}
    while True:
        try:
            status = agent.status()
            left = nvr_orders.waits_for(wanted, status)
        except nvr_agent.AgentError as error:
            left = [str(error)]
        if not left or time.monotonic() >= deadline:
            return status, left
        time.sleep(EVERY_S)


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look, plan, order, wait; the module's result. AgentError and OrdersError carry sentences."""
    began = time.monotonic()
    agent, wanted = Agent(params), wanted_of(params)
    status = agent.status()
    nvr_orders.check(wanted, status)
    actions = nvr_orders.plan(wanted, agent.ask("orders"), status)
    keys = Path(params["keys"])
    stale_keys = wanted.detached and keys.is_dir()
    if not check_mode:
        for action in actions:
            agent.ask(action.op, **action.arguments)
        status, left = wait(agent, wanted, params["wait"])
        if left:
            raise nvr_orders.OrdersError(f"after {params['wait']:g} s: {'; '.join(left)}")
        if stale_keys:
            shutil.rmtree(keys)
    return {
        "changed": bool(actions) or stale_keys,
        "actions": [{"op": action.op, "says": action.after} for action in actions],
        "status": status,
        "carried": [part["name"] for part in status["logical"] if part["carrier"] == status["node"]],
        "waited": round(time.monotonic() - began, 3),
        "diff": {
            "before": "".join(f"{a.before}\n" for a in actions) + (f"{keys}: there\n" if stale_keys else ""),
            "after": "".join(f"{a.after}\n" for a in actions) + (f"{keys}: removed\n" if stale_keys else ""),
        },
    }


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        module.exit_json(**run(module.params, module.check_mode))
    except (nvr_agent.AgentError, nvr_orders.OrdersError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

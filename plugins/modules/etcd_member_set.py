#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_member_set
short_description: Let a machine with an empty data folder join the arbitration cluster in its old place
version_added: 0.1.0
description:
  - A member that lost its data may not come back as itself; the cluster takes it for the one that knows all it ever
    confirmed. This module removes such a member and adds it anew, on a member that is healthy.
  - A member that was added and has not started yet is left as it is, so it is safe to repeat.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
options:
  name:
    description: Name of the member whose machine was replaced.
    type: str
    required: true
  peer_url:
    description: Its peer URL.
    type: str
    required: true
  endpoint:
    description: Client URL of the healthy member this runs on.
    type: str
    required: true
  pki:
    description: Folder with C(ca.crt), C(node.crt) and C(node.key) of this host.
    type: path
    default: /etc/understudy/pki
"""

EXAMPLES = r"""
- name: Give rec1 its place again
  understudy.nvr.etcd_member_set:
    name: rec1
    peer_url: https://192.0.2.11:2380
    endpoint: https://192.0.2.12:2379
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["remove 8e9e05c52164694d", "add rec1"]
members:
  description: Names of the members before; a member that has not started yet has none.
  returned: success
  type: list
  elements: str
  sample: [rec1, rec2, stby1]
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule


def plan(members: list[dict[str, Any]], name: str, peer_url: str) -> list[list[str]]:
    """The `etcdctl member` commands, in order: remove whoever has the name or the URL and has run, then add."""
    mine = [m for m in members if m.get("name") == name or peer_url in m.get("peerURLs", [])]
    waiting = [m for m in mine if not m.get("name") and m.get("peerURLs") == [peer_url]]
    if mine and mine == waiting:
        return []
    removed = [["remove", format(member["ID"], "x")] for member in mine]
    return [*removed, ["add", name, f"--peer-urls={peer_url}"]]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "peer_url": {"type": "str", "required": True},
            "endpoint": {"type": "str", "required": True},
            "pki": {"type": "path", "default": "/etc/understudy/pki"},
        },
        supports_check_mode=True,
    )
    params = module.params
    pki = params["pki"]
    login = ["--cacert", f"{pki}/ca.crt", "--cert", f"{pki}/node.crt", "--key", f"{pki}/node.key"]

    def member(words: list[str]) -> str:
        code, out, err = module.run_command(["etcdctl", "--endpoints", params["endpoint"], *login, "member", *words])
        if code != 0:
            module.fail_json(msg=f"etcdctl member {' '.join(words)}: {err.strip() or out.strip() or code}")
        return str(out)

    members = json.loads(member(["list", "--write-out", "json"]))["members"]
    steps = plan(members, params["name"], params["peer_url"])
    if not module.check_mode:
        for step in steps:
            member(step)
    told = [" ".join(step[:2]) for step in steps]
    module.exit_json(
        changed=bool(steps),
        actions=told,
        members=[found.get("name", "") for found in members],
        diff={"before": "", "after": "".join(f"member {line}\n" for line in told)},
    )


if __name__ == "__main__":
    main()

#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gaps_info
short_description: Measure from the recordings where frames are missing
version_added: 0.1.0
description:
  - Returns the gaps in the footage of all cameras, as C(understudy gaps) computes them from the files of all servers.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
  - understudy.nvr._attributes.info_module
options:
  from:
    description: Only gaps from here on, ISO 8601 with zone.
    type: str
  to:
    description: Only gaps up to here, ISO 8601 with zone.
    type: str
  command:
    description: The command of the installed release.
    type: path
    default: /usr/local/bin/understudy
"""

EXAMPLES = r"""
- name: Measure what the restarts cost
  understudy.nvr.gaps_info:
    from: "2026-11-23T10:00:00Z"
  register: gaps
  failed_when: gaps.gaps | length > 0 or gaps.silent | length > 0
"""

RETURN = r"""
gaps:
  description: Where frames are missing, oldest first per camera.
  returned: success
  type: list
  elements: dict
  contains:
    camera:
      description: Logical server and number.
      type: str
    track:
      description: The track.
      type: str
    from:
      description: Time of the last frame before.
      type: str
    to:
      description: Time of the first frame behind.
      type: str
    length_s:
      description: How much is missing, in seconds.
      type: float
    cause:
      description: What the files tell.
      type: str
    proof:
      description: How the length is known.
      type: str
  sample: []
longest_s:
  description: Length of the longest gap in seconds, 0 without any.
  returned: success
  type: float
  sample: 0.0
silent:
  description: Servers whose footage is not included because they do not answer.
  returned: success
  type: list
  elements: str
  sample: []
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule


def words(params: dict[str, Any]) -> list[str]:
    """The command line."""
    span = [word for name in ("from", "to") if params[name] for word in (f"--{name}", params[name])]
    return [params["command"], "gaps", "--json", *span]


def result(document: dict[str, Any]) -> dict[str, Any]:
    """The module's result from what the command printed."""
    gaps = document["gaps"]
    return {
        "gaps": gaps,
        "longest_s": max((gap["length_s"] for gap in gaps), default=0.0),
        "silent": list(document["silent"]),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "from": {"type": "str"},
            "to": {"type": "str"},
            "command": {"type": "path", "default": "/usr/local/bin/understudy"},
        },
        supports_check_mode=True,
    )
    command = words(module.params)
    code, out, err = module.run_command(command)
    if code != 0:
        module.fail_json(msg=f"{' '.join(command)}: {err.strip() or out.strip() or code}")
    module.exit_json(changed=False, **result(json.loads(out)))


if __name__ == "__main__":
    main()

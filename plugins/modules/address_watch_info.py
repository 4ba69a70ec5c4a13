#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: address_watch_info
short_description: Measure for how long addresses do not answer
version_added: 0.1.0
description:
  - Tries a TCP connection to every address again and again, as a client would, until a file appears or time is up.
    Meant to run with C(async) on one machine while something moves the addresses between others.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
  - understudy.nvr._attributes.info_module
options:
  addresses:
    description: The addresses, IPv4 or IPv6, without prefix.
    type: list
    elements: str
    required: true
  port:
    description: The TCP port.
    type: int
    default: 443
  every:
    description: Seconds between two tries of one address; the measurement is no finer.
    type: float
    default: 0.05
  limit:
    description: How many seconds to watch at most.
    type: float
    default: 300
  stop:
    description: The file whose appearance ends it; removed before it begins and when it ends.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Watch the addresses while they move
  understudy.nvr.address_watch_info:
    addresses: [192.0.2.101]
    stop: /run/understudy-drill.stop
  async: 310
  poll: 0
  register: watch
"""

RETURN = r"""
addresses:
  description: What was measured per address.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The address.
      type: str
    tries:
      description: How many connections were tried.
      type: int
    answers:
      description: How many of them came about.
      type: int
    longest_s:
      description: The longest time without an answer, in seconds.
      type: float
  sample: [{address: 192.0.2.101, tries: 400, answers: 396, longest_s: 0.2}]
"""

from contextlib import suppress
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_watch


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "addresses": {"type": "list", "elements": "str", "required": True},
            "port": {"type": "int", "default": 443},
            "every": {"type": "float", "default": 0.05},
            "limit": {"type": "float", "default": 300},
            "stop": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    with suppress(FileNotFoundError):
        Path(params["stop"]).unlink()
    watch = nvr_watch.Watch(params["addresses"], params["port"])
    try:
        watch.run(params["every"], params["limit"], params["stop"])
    except OSError as error:
        module.fail_json(msg=f"cannot watch {', '.join(params['addresses'])}: {error}")
    with suppress(FileNotFoundError):
        Path(params["stop"]).unlink()
    module.exit_json(changed=False, addresses=watch.result())


if __name__ == "__main__":
    main()

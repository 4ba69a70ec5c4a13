#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: certificate_set
short_description: Make a certificate authority and all certificates of a site in one call
version_added: 0.1.0
description:
  - Keeps a certificate authority and certificates with their keys (ECDSA P-256) in a folder on the controller.
  - A certificate is made anew, with a new key, only when it is missing, is for other names or of another authority,
    or is about to expire. The authority is renewed with its key, so that certificates it signed stay good.
  - Keys are never shown and never returned.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
requirements:
  - cryptography on the controller
options:
  directory:
    description: The folder. Created for the user alone when missing.
    type: path
    required: true
  authority:
    description: Name of the authority, its common name.
    type: str
    required: true
  authority_days:
    description: How long the authority is valid.
    type: int
    default: 7300
  sets:
    description: The certificates, in sets that share a folder and a use.
    type: list
    elements: dict
    required: true
    suboptions:
      folder:
        description: Folder below O(directory) that holds C(NAME.crt) and C(NAME.key) of each member.
        type: str
        required: true
      client:
        description: Whether they are for clients as well as for servers.
        type: bool
        default: false
      members:
        description: The certificates of the set.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: Its common name and the name of its files.
            type: str
            required: true
          sans:
            description: Names and addresses it is for.
            type: list
            elements: str
            required: true
  days:
    description: How long certificates are valid.
    type: int
    default: 1825
  renew_days:
    description: How long before it expires a certificate is renewed.
    type: int
    default: 365
  random_keys:
    description: Paths below O(directory) of files that hold 32 random bytes in hex. Made when missing.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Make the certificates
  understudy.nvr.certificate_set:
    directory: "{{ understudy_site.controller_dir }}/pki"
    authority: Understudy site depot
    sets:
      - folder: nodes
        client: true
        members:
          - name: rec1
            sans: [rec1, 198.18.30.11]
    random_keys: [heartbeat.key]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
issued:
  description: What was made or renewed and why, or would be in check mode.
  returned: success
  type: dict
  sample: {nodes/rec1: is missing}
expires:
  description: When each certificate expires.
  returned: success
  type: dict
  sample: {ca: "2046-11-18T10:00:00Z", nodes/rec1: "2031-11-22T10:00:00Z"}
"""
import datetime
import fcntl
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.understudy.nvr.plugins.module_utils.nvr_certificates import CRYPTOGRAPHY_ERROR, Store


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "authority": {"type": "str", "required": True},
            "authority_days": {"type": "int", "default": 7300},
            "sets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "folder": {"type": "str", "required": True},
                    "client": {"type": "bool", "default": False},
                    "members": {
                        "type": "list",
                        "elements": "dict",
                        "required": True,
                        "options": {
                            "name": {"type": "str", "required": True},
                            "sans": {"type": "list", "elements": "str", "required": True},
                        },
                    },
                },
            },
            "days": {"type": "int", "default": 1825},
            "renew_days": {"type": "int", "default": 365},
            "random_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        },
        supports_check_mode=True,
    )
    if CRYPTOGRAPHY_ERROR:
        module.fail_json(msg=missing_required_lib("cryptography"), exception=CRYPTOGRAPHY_ERROR)
    store_of_site = Store(module.params, datetime.datetime.now(datetime.UTC), module.check_mode)
    try:
        if module.check_mode:
            module.exit_json(**store_of_site.run())
        directory = Path(module.params["directory"])
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (directory / ".lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            module.exit_json(**store_of_site.run())
    except OSError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()

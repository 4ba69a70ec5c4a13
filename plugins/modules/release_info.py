#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: Tell which releases of the agent are installed
version_added: 0.1.0
description:
  - Lists the whole releases on a host and the current one.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
  - understudy.nvr._attributes.info_module
options:
  base:
    description: Folder of the releases.
    type: path
    default: /opt/understudy
seealso:
  - module: understudy.nvr.release_set
"""

EXAMPLES = r"""
- name: Ask for the installed releases
  understudy.nvr.release_info:
  register: release
"""

RETURN = r"""
releases:
  description: Digests of the whole releases, newest first.
  returned: success
  type: list
  elements: str
  sample: [0123456789abcdef, fedcba9876543210]
current:
  description: The release that runs when a process is started, if any.
  returned: success
  type: str
  sample: 0123456789abcdef
broken:
  description: Left-overs of installations that were cut short; the next RV(current) release set removes them.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_release


def main() -> None:
    module = AnsibleModule(
        argument_spec={"base": {"type": "path", "default": "/opt/understudy"}}, supports_check_mode=True
    )
    installed = nvr_release.load(module.params["base"], "/nonexistent")
    module.exit_json(
        changed=False,
        releases=list(installed.releases),
        current=installed.current,
        broken=list(installed.broken),
    )


if __name__ == "__main__":
    main()

#!/usr/bin/python

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Tell all that is needed to know whether a host can be a server of the site
version_added: 0.1.0
description:
  - Gathers in one call what the preflight checks look at, in place of a general gathering of facts.
author:
  - The Understudy authors (@understudy)
extends_documentation_fragment:
  - understudy.nvr._attributes
  - understudy.nvr._attributes.info_module
options:
  disks:
    description: The disk letters to look at, as M(understudy.nvr.disk_info) takes them.
    type: list
    elements: dict
    default: []
    suboptions:
      letter:
        description: The letter.
        type: str
        required: true
      path:
        description: Where it is mounted.
        type: path
        required: true
      label:
        description: Label of its file system.
        type: str
      uuid:
        description: UUID of its file system.
        type: str
      fstype:
        description: Type of its file system.
        type: str
        default: ext4
      provided:
        description: Whether the mount is made outside of the collection.
        type: bool
        default: false
  nics:
    description: Names of the network interfaces the site file gives to this host.
    type: list
    elements: str
    default: []
  addresses:
    description:
      - Addresses that only the agent may configure. The network configuration of the host is searched for them.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Look at the host
  understudy.nvr.host_info:
    disks: "{{ understudy_disks }}"
    addresses: [198.18.31.101]
  register: host
"""

RETURN = r"""
os:
  description: Identity of the operating system, from C(/etc/os-release).
  returned: success
  type: dict
  sample: {id: debian, version: "12"}
python:
  description: Version of the Python the software will run on.
  returned: success
  type: str
  sample: 3.11.2
architecture:
  description: The processor's architecture.
  returned: success
  type: str
  sample: x86_64
systemd:
  description: Whether systemd is the service manager.
  returned: success
  type: bool
  sample: true
container:
  description: Whether the host is a container.
  returned: success
  type: bool
  sample: false
disks:
  description: One entry for each letter, as M(understudy.nvr.disk_info) returns it.
  returned: success
  type: list
  elements: dict
  sample: []
missing_nics:
  description: Those of O(nics) the host does not have.
  returned: success
  type: list
  elements: str
  sample: []
static_addresses:
  description: Those of O(addresses) that are in the network configuration, with the file.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The address.
      type: str
    file:
      description: Where it is configured.
      type: str
  sample: []
"""

import platform
import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_disks

#: below /etc
NETWORK_FILES = (
    "network/interfaces",
    "network/interfaces.d/*",
    "systemd/network/*.network",
    "systemd/network/*/*.conf",
    "NetworkManager/system-connections/*",
    "netplan/*.y*ml",
    "dhcpcd.conf",
)


def os_identity(text: str) -> dict[str, Any]:
    """ID and VERSION_ID of an os-release file."""
    fields = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    return {"id": fields.get("ID", ""), "version": fields.get("VERSION_ID", "")}


def mentions(text: str, address: str) -> bool:
    """Whether a network configuration names `address`, comments left out."""
    pattern = re.compile(rf"(?<![0-9A-Fa-f.:]){re.escape(address)}(?![0-9A-Fa-f.:])")
    return any(pattern.search(line) for line in text.splitlines() if not line.lstrip().startswith(("#", ";")))


def static_addresses(addresses: list[Any], files: dict[str, Any]) -> list[Any]:
    """Which of `addresses` the network configuration `files` (path to text) names."""
    return [
        {"address": address, "file": path}
        for path, text in sorted(files.items())
        for address in addresses
        if mentions(text, address)
    ]


def read(path: Path) -> str:
    """The text of a file, empty when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "disks": {"type": "list", "elements": "dict", "default": [], "options": nvr_disks.OPTIONS},
            "nics": {"type": "list", "elements": "str", "default": []},
            "addresses": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    disks = [nvr_disks.from_options(item) for item in module.params["disks"]]
    files = {str(path): read(path) for pattern in NETWORK_FILES for path in Path("/etc").glob(pattern)}
    code, _out, _err = module.run_command(["systemd-detect-virt", "--container", "--quiet"])
    module.exit_json(
        changed=False,
        os=os_identity(read(Path("/etc/os-release"))),
        python=platform.python_version(),
        architecture=platform.machine(),
        systemd=Path("/run/systemd/system").is_dir(),
        container=code == 0,
        disks=[nvr_disks.to_result(disk, nvr_disks.load(disk.path)) for disk in disks],
        missing_nics=[nic for nic in module.params["nics"] if not Path("/sys/class/net", nic).exists()],
        static_addresses=static_addresses(module.params["addresses"], files),
    )


if __name__ == "__main__":
    main()

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site file as an inventory: check it, compute the plan once, hand out plain data."""

from __future__ import annotations

DOCUMENTATION = r"""
name: site
short_description: A failover site in one readable file
version_added: 0.1.0
author:
  - The Understudy authors (@understudy)
description:
  - Reads a file that ends in C(.site.yml), checks it whole in about a second, and names every mistake with file, line,
    key, value and what is allowed. Nothing is touched before the file is right.
  - Computes the plan of the site once and hands it to the roles as plain host variables.
options:
  plugin:
    description: Names this plugin.
    type: str
    required: true
    choices: [understudy.nvr.site]
notes:
  - The keys of the site file are described in docs/reference/site-file.md.
"""

EXAMPLES = r"""
plugin: understudy.nvr.site
site: {name: depot, ntp_servers: [192.0.2.1]}
nics: {eno1: clients}
disks: {C: {path: /srv/footage/C, label: "{server}-C"}}
tracks: {continuous: {disk: C, days: 14}}
servers:
  rec1: {licence: {channels: 8}, etcd: true, addresses: {eno1: [192.0.2.11/24]}}
  rec2: {licence: {channels: 8}, etcd: true, addresses: {eno1: [192.0.2.12/24]}}
standbys:
  stby1: {licence: {channels: 8}, etcd: true, addresses: {eno1: [192.0.2.21/24]}}
logical:
  north:
    home: rec1
    addresses: {eno1: [192.0.2.101]}
    cameras:
      - {number: 1, name: Gate, url: "rtsp://192.0.2.201/stream1", credentials: cameras}
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_file import SiteFileError, host_groups, read_site


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    NAME = "understudy.nvr.site"

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and path.endswith((".site.yml", ".site.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        try:
            hosts = read_site(Path(path), lambda secrets: loader.load_from_file(str(secrets), unsafe=True))
        except SiteFileError as error:
            raise AnsibleParserError(str(error)) from error
        inventory.add_group("nvr")
        for group in ("recorders", "standbys", "witnesses", "voters"):
            inventory.add_group(group)
            inventory.add_child("nvr", group)
        for name, variables in hosts.items():
            inventory.add_host(name)
            for group in host_groups(variables):
                inventory.add_host(name, group=group)
            for key, value in variables.items():
                inventory.set_variable(name, key, value)

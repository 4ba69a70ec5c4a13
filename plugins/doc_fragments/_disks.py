# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option `disks`. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    """The disk letters of a host."""

    DOCUMENTATION = r"""
options:
  disks:
    description: The disk letters.
    type: list
    elements: dict
    required: true
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
        description: UUID of its file system. Wins over O(disks[].label).
        type: str
      fstype:
        description: Type of its file system.
        type: str
        default: ext4
      provided:
        description: Whether the mount is made outside of the collection.
        type: bool
        default: false
"""

# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that every module of the collection shares. Private to the collection."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes of a module that changes things."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or needs changing in C(check_mode), when in diff mode.
    support: full
  platform:
    description: Target OS families that can be operated against.
    support: full
    platforms: debian
  action_group:
    description: Use C(group/understudy.nvr.nvr) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - understudy.nvr.nvr
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module only reads.
  diff_mode:
    support: N/A
    details:
      - This module only reads.
"""

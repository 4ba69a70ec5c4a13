# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters over the plan of a site; each is a pure function of plugin_utils."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.understudy.nvr.plugins.plugin_utils.site_fit import fit
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_public import public_logical


class FilterModule:
    """What playbooks and roles use of the plan."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"fit": fit, "public_logical": public_logical}

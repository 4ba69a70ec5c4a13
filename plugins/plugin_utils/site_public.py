# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a plan may be shown and reported: no login, no URL. Pure."""

from __future__ import annotations

from typing import Any


def public_logical(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The logical servers without secrets; addresses without prefix."""
    return [
        {
            "name": part["name"],
            "home": part["home"],
            "addresses": [address["address"].split("/")[0] for address in part["addresses"]],
            "cameras": [_camera(camera) for camera in part["cameras"]],
        }
        for part in plan["logical"]
    ]


def _camera(camera: dict[str, Any]) -> dict[str, Any]:
    shown = {name: camera[name] for name in ("number", "name", "failover")}
    return {**shown, "capture": camera["source"]["type"]}

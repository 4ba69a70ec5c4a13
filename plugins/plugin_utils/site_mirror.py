# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mirror: which backup capture devices a standby needs to play any part (S28-S30, S46-S48). Pure."""

from __future__ import annotations

from typing import Any


def mirror(cameras_by_logical: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Slot n carries the union of the tracks that any protected camera n has; names are fixed, "Camera n" (S48).

    Analogue cameras do not fail over (S27) and need no slot. Where two cameras keep the same track for a different
    time, the slot keeps it as long as the longer one.
    """
    slots: dict[int, dict[str, dict[str, Any]]] = {}
    for cameras in cameras_by_logical.values():
        for camera in cameras:
            if camera["source"]["type"] == "analogue" or camera["failover"] == "none":
                continue
            tracks = slots.setdefault(int(camera["number"]), {})
            for track in camera["tracks"]:
                known = tracks.get(track["name"])
                if known is None or track["days"] > known["days"]:
                    tracks[track["name"]] = dict(track)
    return [
        {"number": number, "name": f"Camera {number}", "tracks": [tracks[name] for name in sorted(tracks)]}
        for number, tracks in sorted(slots.items())
    ]

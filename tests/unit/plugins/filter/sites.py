"""Sites for the fit check, from the site file's own words."""

from __future__ import annotations

from typing import Any

import yaml
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_check import check
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_fit import fit
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_needs import capacity
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_plan import site_plan
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_yaml import load


def camera(number: int, **said: Any) -> dict[str, Any]:
    """A camera in the camera network of every server."""
    return {"number": number, "name": f"Camera {number}", "url": f"rtsp://198.51.100.{100 + number}/1", **said}


def standby(number: int, **said: Any) -> dict[str, Any]:
    """A standby in both networks."""
    addresses = {"eno1": [f"198.51.100.{20 + number}/24"], "eno2": [f"192.0.2.{20 + number}/24"]}
    return {"licence": {"channels": 64}, "addresses": addresses, **said}


def site(parts: list[dict[str, Any]], standbys: list[dict[str, Any]], **said: Any) -> dict[str, Any]:
    """A site with one recording server and logical server for each of `parts`, rec1 with part1 first."""
    numbers = range(1, len(parts) + 1)
    return {
        "plugin": "understudy.nvr.site",
        "site": {"name": "depot"},
        "nics": {"eno1": "cameras", "eno2": "clients"},
        "disks": {"C": {"path": "/srv/C"}, "D": {"path": "/srv/D"}},
        "tracks": {"continuous": {"disk": "C", "days": 30}, "short": {"disk": "D", "days": 1}},
        "servers": {
            f"rec{n}": {
                "licence": {"channels": 64},
                "addresses": {"eno1": [f"198.51.100.{10 + n}/24"], "eno2": [f"192.0.2.{10 + n}/24"]},
            }
            for n in numbers
        },
        "standbys": {f"stby{n}": one for n, one in enumerate(standbys, 1)},
        "logical": {
            f"part{n}": {"home": f"rec{n}", "addresses": {"eno2": [f"192.0.2.{100 + n}"]}, **part}
            for n, part in zip(numbers, parts, strict=True)
        },
        **said,
    }


def planned(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The plan and what else is said of capacity, as the inventory makes them."""
    document = load(yaml.safe_dump(data, sort_keys=False))
    checked = check(document)
    assert document.problems == []
    return site_plan(checked, {}), capacity(checked)


def judged(data: dict[str, Any], **known: Any) -> dict[str, Any]:
    """What the check finds."""
    return fit(*planned(data), **known)


def row(found: dict[str, Any], *failed: str) -> dict[str, Any]:
    """The row of one failure."""
    return next(one for one in found["rows"] if one["failed"] == list(failed))

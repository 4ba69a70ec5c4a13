"""certificate_set: when a certificate is made, and that what is made is what was asked for."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_certificates
from ansible_collections.understudy.nvr.plugins.module_utils.nvr_certificates import Facts, Wanted

NOW = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
YEAR = datetime.timedelta(days=365)
WANTED = Wanted("nodes/rec1", "rec1", frozenset({"rec1", "198.18.30.11"}), True)
GOOD = Facts("rec1", frozenset({"rec1", "198.18.30.11"}), True, NOW + 3 * YEAR, True, True)


def changed(**differences: Any) -> Facts:
    return Facts(**{**GOOD.__dict__, **differences})


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (GOOD, None),
        (None, "is missing"),
        (changed(key_fits=False), "its key is missing or another one"),
        (changed(ours=False), "was signed by another authority"),
        (changed(common_name="rec2"), "is for 'rec2'"),
        (changed(sans=frozenset({"rec1"})), "is for other names or addresses"),
        (changed(client=False), "is for another use"),
        (changed(expires=NOW + YEAR), "expires 2027-11-23"),
        (changed(expires=NOW + YEAR + datetime.timedelta(seconds=1)), None),
    ],
)
def test_a_certificate_is_made_only_for_a_reason(found: Facts | None, why: str | None) -> None:
    assert nvr_certificates.reason(WANTED, found, NOW, YEAR) == why


def test_addresses_are_compared_in_one_form() -> None:
    assert nvr_certificates.canonical("FD00:30:0:0::11") == nvr_certificates.canonical("fd00:30::11")
    assert nvr_certificates.canonical("Rec1") == "rec1"


def params(directory: Path, **changes: Any) -> dict[str, Any]:
    return {
        "directory": str(directory),
        "authority": "Understudy site test",
        "authority_days": 7300,
        "days": 1825,
        "renew_days": 365,
        "sets": [
            {"folder": "nodes", "client": True, "members": [{"name": "rec1", "sans": ["rec1", "fd00:30::11"]}]},
            {"folder": "logical", "client": False, "members": [{"name": "north", "sans": ["north"]}]},
        ],
        "random_keys": ["heartbeat.key"],
        **changes,
    }


def test_the_second_run_changes_nothing(tmp_path: Path) -> None:
    first = nvr_certificates.Store(params(tmp_path), NOW, check=False).run()
    assert set(first["issued"]) == {"ca", "nodes/rec1", "logical/north", "heartbeat.key"}
    second = nvr_certificates.Store(params(tmp_path), NOW, check=False).run()
    assert not second["changed"]
    assert second["expires"]["nodes/rec1"] == "2031-11-22T00:00:00Z"
    assert len((tmp_path / "heartbeat.key").read_text().strip()) == 64


def test_check_mode_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    result = nvr_certificates.Store(params(tmp_path), NOW, check=True).run()
    assert set(result["issued"]) == {"ca", "nodes/rec1", "logical/north", "heartbeat.key"}
    assert list(tmp_path.iterdir()) == []


def test_keys_belong_to_their_owner_alone_and_are_never_shown(tmp_path: Path) -> None:
    result = nvr_certificates.Store(params(tmp_path), NOW, check=False).run()
    keys = list(tmp_path.rglob("*.key"))
    assert len(keys) == 4
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    assert not any(path.read_text().strip() in str(result) for path in keys)


def test_a_renewed_authority_keeps_its_key_so_that_certificates_stay_good(tmp_path: Path) -> None:
    nvr_certificates.Store(params(tmp_path), NOW, check=False).run()
    key = (tmp_path / "ca.key").read_bytes()
    later = NOW + datetime.timedelta(days=7300 - 300)
    result = nvr_certificates.Store(params(tmp_path, days=7300, renew_days=365), later, check=False).run()
    assert result["issued"]["ca"].startswith("expires")
    assert (tmp_path / "ca.key").read_bytes() == key


def test_a_changed_address_makes_that_certificate_anew_and_no_other(tmp_path: Path) -> None:
    nvr_certificates.Store(params(tmp_path), NOW, check=False).run()
    moved = params(tmp_path)
    moved["sets"][0]["members"][0]["sans"] = ["rec1", "fd00:30::12"]
    result = nvr_certificates.Store(moved, NOW, check=False).run()
    assert result["issued"] == {"nodes/rec1": "is for other names or addresses"}


def test_a_pair_that_a_cut_run_left_unfitting_is_made_anew(tmp_path: Path) -> None:
    nvr_certificates.Store(params(tmp_path), NOW, check=False).run()
    (tmp_path / "nodes" / "rec1.key").write_bytes((tmp_path / "logical" / "north.key").read_bytes())
    result = nvr_certificates.Store(params(tmp_path), NOW, check=False).run()
    assert result["issued"] == {"nodes/rec1": "its key is missing or another one"}

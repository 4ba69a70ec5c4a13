"""user_set: passwords stay on the controller, servers get hashes they can check, a second run changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.understudy.nvr.plugins.module_utils.nvr_users import Store, UserFileError
from understudy.web.users import Users

ADMIN = {"admin": "admin"}


def password(directory: Path, name: str) -> str:
    return (directory / f"{name}.password").read_text().strip()


def test_s37_a_password_is_made_once_and_only_its_hash_is_in_the_servers_file(tmp_path: Path) -> None:
    first = Store(tmp_path, ADMIN, False).run()
    assert (first["changed"], first["made"]) == (True, {"admin": "is new"})
    secret = password(tmp_path, "admin")
    assert len(secret) == 24
    assert secret not in (tmp_path / "users.json").read_text()
    assert secret not in json.dumps(first)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
    before = (tmp_path / "users.json").read_bytes()
    assert Store(tmp_path, ADMIN, False).run()["changed"] is False
    assert (tmp_path / "users.json").read_bytes() == before


def test_the_agent_lets_in_whoever_has_the_password_and_nobody_else(tmp_path: Path) -> None:
    Store(tmp_path, {**ADMIN, "guard": "viewer"}, False).run()
    users = Users(tmp_path / "users.json")
    guard = users.log_in("guard", password(tmp_path, "guard"))
    assert guard is not None
    assert guard.role == "viewer"
    assert users.log_in("guard", password(tmp_path, "admin")) is None
    assert users.log_in("nobody", password(tmp_path, "admin")) is None


def test_a_password_that_somebody_wrote_into_its_file_counts_from_the_next_run_on(tmp_path: Path) -> None:
    Store(tmp_path, ADMIN, False).run()
    (tmp_path / "admin.password").write_text("correct horse\n")
    assert Store(tmp_path, ADMIN, False).run()["made"] == {"admin": "has another password"}
    assert Users(tmp_path / "users.json").log_in("admin", "correct horse") is not None


def test_a_role_changes_without_a_new_password_and_a_user_that_is_not_listed_is_gone(tmp_path: Path) -> None:
    Store(tmp_path, {**ADMIN, "guard": "viewer"}, False).run()
    secret = password(tmp_path, "admin")
    made = Store(tmp_path, {"admin": "viewer"}, False).run()["made"]
    assert made == {"admin": "was admin", "guard": "is gone"}
    assert not (tmp_path / "guard.password").exists()
    users = Users(tmp_path / "users.json")
    assert set(users.all()) == {"admin"}
    user = users.log_in("admin", secret)
    assert user is not None
    assert user.role == "viewer"


def test_check_mode_says_what_would_change_and_touches_nothing(tmp_path: Path) -> None:
    assert Store(tmp_path / "none", ADMIN, True).run()["made"] == {"admin": "is new"}
    assert not (tmp_path / "none").exists()


def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text("{")
    with pytest.raises(UserFileError, match=r"users\.json: not a file of users"):
        Store(tmp_path, ADMIN, False).run()
    (tmp_path / "users.json").unlink()
    (tmp_path / "admin.password").write_text("\n")
    with pytest.raises(UserFileError, match=r"admin\.password: is empty"):
        Store(tmp_path, ADMIN, False).run()
    with pytest.raises(UserFileError, match="no name of a user"):
        Store(tmp_path, {"../up": "admin"}, False).run()

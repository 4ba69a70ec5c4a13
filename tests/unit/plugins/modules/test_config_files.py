"""config_files: the plan for a set of files, what its diff shows, and that a refused file leaves the set as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_files
from ansible_collections.understudy.nvr.plugins.module_utils.nvr_files import Current, Desired
from ansible_collections.understudy.nvr.plugins.modules import config_files

FILE = Current("file", b"old\n", "", "root", "root", 0o644)


def planned(desired: Desired, current: Current) -> list[nvr_files.Change]:
    return nvr_files.plan([desired], {desired.dest: current})


@pytest.mark.parametrize(
    ("desired", "current", "changes"),
    [
        (Desired("/a", content=b"old\n"), FILE, False),
        (Desired("/a", content=b"new\n"), FILE, True),
        (Desired("/a", content=b"old\n", mode=0o600), FILE, True),
        (Desired("/a", content=b"old\n", owner="root", group="root", mode=0o644), FILE, False),
        (Desired("/a", content=b"old\n", group="understudy"), FILE, True),
        (Desired("/a", content=b""), Current(), True),
        (Desired("/a", state="absent"), Current(), False),
        (Desired("/a", state="absent"), FILE, True),
        (Desired("/a", state="directory", mode=0o750), Current("directory", mode=0o750), False),
        (Desired("/a", state="directory", mode=0o750), Current("directory", mode=0o755), True),
        (Desired("/a", state="link", target="b"), Current("link", target="b"), False),
        (Desired("/a", state="link", target="b"), Current("link", target="c"), True),
        (Desired("/a", state="link", target="b"), FILE, True),
    ],
)
def test_only_what_differs_is_changed(desired: Desired, current: Current, changes: bool) -> None:
    assert bool(planned(desired, current)) is changes


def test_the_diff_of_a_secret_document_shows_its_shape_and_no_secret() -> None:
    old = b'{"cameras": [{"name": "Gate", "password": "hunter2"}]}'
    new = b'{"cameras": [{"name": "Yard", "password": "hunter2"}]}'
    diff = planned(Desired("/plan.json", content=new, secret=True), Current("file", old))[0].diff
    assert "hunter2" not in str(diff)
    assert '"Gate"' in diff["before"]
    assert '"Yard"' in diff["after"]


def test_the_diff_says_when_only_secret_values_differ() -> None:
    changes = planned(Desired("/k", content=b'{"password": "b"}', secret=True), Current("file", b'{"password": "a"}'))
    assert changes[0].diff["after"].endswith("(secret values differ)\n")


def test_the_diff_of_a_key_shows_its_size_alone() -> None:
    diff = planned(Desired("/k", content=b"-----BEGIN", secret=True), Current())[0].diff
    assert diff["after"] == "(10 bytes, secret)\n"


def test_apply_makes_the_set_and_a_second_plan_is_empty(tmp_path: Path) -> None:
    wanted = [
        Desired(str(tmp_path / "d"), state="directory", mode=0o750),
        Desired(str(tmp_path / "d" / "f"), content=b"text\n", mode=0o600),
        Desired(str(tmp_path / "l"), state="link", target="d/f"),
    ]
    nvr_files.apply(nvr_files.plan(wanted, {item.dest: nvr_files.load(item.dest) for item in wanted}))
    assert nvr_files.plan(wanted, {item.dest: nvr_files.load(item.dest) for item in wanted}) == []
    assert (tmp_path / "l").read_text() == "text\n"


def test_a_refused_file_leaves_the_whole_set_as_it_was(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("old")
    wanted = [
        Desired(str(first), content=b"new"),
        Desired(str(second), content=b"bad", validate="/bin/sh -c 'echo line 1: no; exit 1' %s"),
    ]
    with pytest.raises(nvr_files.FilesError, match="second: refused by /bin/sh: line 1: no"):
        nvr_files.apply(nvr_files.plan(wanted, {item.dest: nvr_files.load(item.dest) for item in wanted}))
    assert first.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first"]


def test_a_directory_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    wanted = Desired(str(tmp_path), content=b"x")
    with pytest.raises(nvr_files.FilesError, match="is a directory, will not be replaced"):
        nvr_files.apply(planned(wanted, nvr_files.load(str(tmp_path))))


def test_an_unknown_owner_is_named_before_anything_changes(tmp_path: Path) -> None:
    wanted = Desired(str(tmp_path / "a"), content=b"x", owner="nobody-of-that-name")
    with pytest.raises(nvr_files.FilesError, match="no user or group 'nobody-of-that-name'"):
        nvr_files.apply(planned(wanted, Current()))


def test_an_option_of_the_module_becomes_a_desired_file() -> None:
    item = {
        "dest": "/a", "state": "file", "content": None, "secret_content": "s", "target": None,
        "owner": None, "group": "understudy", "mode": "0640", "validate": None,
    }  # fmt: skip
    assert config_files.desired(item) == Desired("/a", content=b"s", secret=True, group="understudy", mode=0o640)

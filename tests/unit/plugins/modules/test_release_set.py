"""release_build, release_set, release_info: what identifies a release, and the steps that make one current."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.understudy.nvr.plugins.module_utils import nvr_release
from ansible_collections.understudy.nvr.plugins.module_utils.nvr_release import Installed, Steps

LINK = "/opt/understudy/current/bin/understudy"


def test_a_new_host_installs_switches_and_links() -> None:
    assert nvr_release.plan(Installed(), "aaa", 3, LINK) == Steps(True, True, True, ())


def test_a_host_that_has_it_does_nothing() -> None:
    steps = nvr_release.plan(Installed(("aaa",), "aaa", (), LINK), "aaa", 3, LINK)
    assert not steps.needed


def test_going_back_needs_no_file() -> None:
    steps = nvr_release.plan(Installed(("bbb", "aaa"), "bbb", (), LINK), "aaa", 3, LINK)
    assert steps == Steps(install=False, switch=True, link=False, remove=())


def test_the_one_before_is_kept_even_when_it_is_old() -> None:
    installed = Installed(("ddd", "ccc", "bbb", "aaa"), "aaa", (), LINK)
    assert nvr_release.plan(installed, "eee", 3, LINK).remove == ("ccc", "bbb")


def test_leftovers_of_a_cut_installation_are_removed_and_its_own_is_redone() -> None:
    installed = Installed(("aaa",), "aaa", ("bbb", "ccc"), LINK)
    steps = nvr_release.plan(installed, "bbb", 3, LINK)
    assert steps.install
    assert steps.remove == ("ccc",)


def test_only_a_whole_release_counts_as_installed(tmp_path: Path) -> None:
    for name, whole in (("aaa", True), ("bbb", False)):
        (tmp_path / "releases" / name).mkdir(parents=True)
        if whole:
            (tmp_path / "releases" / name / nvr_release.MARKER).write_text("")
    (tmp_path / "current").symlink_to("releases/aaa")
    found = nvr_release.load(str(tmp_path), str(tmp_path / "command"))
    assert found == Installed(("aaa",), "aaa", ("bbb",), None)


def source(top: Path) -> Path:
    (top / "src" / "understudy" / "__pycache__").mkdir(parents=True)
    (top / "src" / "understudy" / "__pycache__" / "a.pyc").write_bytes(b"x")
    (top / "src" / "understudy" / "a.py").write_text("a = 1\n")
    (top / "src" / "understudy.egg-info").mkdir()
    (top / "src" / "understudy.egg-info" / "PKG-INFO").write_text("x")
    (top / "pyproject.toml").write_text('[tool.x]\nversion = "9"\n[project]\nname = "understudy"\nversion = "1.2.3"\n')
    (top / "notes.txt").write_text("x")
    return top


def test_a_release_ships_the_sources_and_no_caches(tmp_path: Path) -> None:
    assert nvr_release.shipped_files(str(source(tmp_path))) == ["pyproject.toml", "src/understudy/a.py"]


def test_a_folder_that_is_no_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(nvr_release.ReleaseError, match=r"no pyproject\.toml"):
        nvr_release.shipped_files(str(tmp_path))


def test_the_version_is_the_projects() -> None:
    text = '[tool.x]\nversion = "9"\n\n[project]\nversion = "1.2.3"\n'
    assert nvr_release.version_of(text) == "1.2.3"
    with pytest.raises(nvr_release.ReleaseError, match="no version"):
        nvr_release.version_of("[project]\nname = 'x'\n")


def test_the_digest_follows_every_input_and_nothing_else() -> None:
    base = nvr_release.inputs_digest({"a": b"1", "b": b"2"}, b"pins", ["p"])
    assert base == nvr_release.inputs_digest({"b": b"2", "a": b"1"}, b"pins", ["p"])
    others = [
        nvr_release.inputs_digest({"a": b"1", "b": b"3"}, b"pins", ["p"]),
        nvr_release.inputs_digest({"a": b"1", "c": b"2"}, b"pins", ["p"]),
        nvr_release.inputs_digest({"a": b"1", "b": b"2"}, b"other", ["p"]),
        nvr_release.inputs_digest({"a": b"1", "b": b"2"}, b"pins", ["q"]),
    ]
    assert len({base, *others}) == 5

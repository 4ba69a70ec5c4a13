"""What roles and the collection say of themselves is what they are: specs, defaults, action group, scenarios."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("role", ROLES)
def test_the_argument_spec_of_a_role_has_exactly_its_defaults(role: str) -> None:
    defaults = load(ROOT / "roles" / role / "defaults" / "main.yml") or {}
    options = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert {name: option.get("default") for name, option in options.items()} == defaults


@pytest.mark.parametrize("role", ROLES)
def test_every_default_of_a_role_is_explained_and_bears_its_name(role: str) -> None:
    text = (ROOT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8")
    names = re.findall(r"^(\w+):", text, re.MULTILINE)
    assert names
    assert all(name.startswith(f"{role}_") for name in names)
    assert text.splitlines()[1].startswith("#")


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_readme_and_a_molecule_scenario_that_verifies(role: str) -> None:
    readme = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    options = load(ROOT / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert [name for name in options if f"`{name}`" not in readme] == []
    scenario = ROOT / "molecule" / role
    assert [name for name in ("molecule.yml", "converge.yml", "verify.yml") if not (scenario / name).exists()] == []


def test_every_module_is_in_the_action_group() -> None:
    groups = load(ROOT / "meta" / "runtime.yml")["action_groups"]
    assert groups["nvr"] == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_unit_test(module: str) -> None:
    tests = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests/unit/plugins/modules").glob("test_*.py"))
    assert re.search(rf"\b{module}\b", tests)


def test_the_units_of_the_services_do_not_bind_to_each_other() -> None:
    """Restarting one unit never restarts another."""
    for path in (ROOT / "roles").glob("*/templates/understudy-*.service.j2"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^(Requires|BindsTo|PartOf|Requisite)=", text, re.MULTILINE), path


def test_nothing_is_asked_of_galaxy() -> None:
    assert load(ROOT / "requirements.yml") == {"collections": []}
    assert load(ROOT / "galaxy.yml")["dependencies"] == {}

"""The site file: what is right becomes the plan the servers read; what is wrong is named with line, key and value."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.understudy.nvr.plugins.plugin_utils import site_reference
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_file import SiteFileError, read_site
from ansible_collections.understudy.nvr.plugins.plugin_utils.site_plan import may_carry
from understudy.failover.site_view import choices
from understudy.site import plan as agent_plan

ROOT = Path(__file__).resolve().parents[4]
LAB = ROOT / "inventory" / "lab" / "lab.site.yml"


def load_secrets(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def read(text: str, tmp_path: Path, secrets: str | None = None) -> dict[str, dict[str, Any]]:
    site = tmp_path / "depot.site.yml"
    site.write_text(text)
    vault = tmp_path / "group_vars" / "all" / "vault.yml"
    vault.parent.mkdir(parents=True, exist_ok=True)
    vault.write_text(secrets if secrets is not None else (LAB.parent / "group_vars/all/vault.yml").read_text())
    return read_site(site, load_secrets)


def test_every_machine_gets_a_plan_that_the_agent_reads() -> None:
    hosts = read_site(LAB, load_secrets)
    assert list(hosts) == ["rec1", "rec2", "stby1"]
    for name, variables in hosts.items():
        plan = agent_plan.decode(json.dumps(variables["understudy_plan"]).encode(), "plan")
        assert plan.node == plan.me.name == name
        assert [logical.name for logical in plan.logical] == ["north", "south"]


def test_only_those_who_may_record_a_camera_are_told_its_login() -> None:
    def told(variables: dict[str, Any]) -> set[str]:
        parts = variables["understudy_plan"]["logical"]
        logins = {p["name"]: {(c["source"]["username"], c["source"]["password"]) for c in p["cameras"]} for p in parts}
        assert set(logins) == {"north", "south"}
        return {name for name, login in logins.items() if login != {("", "")}}

    hosts = read_site(LAB, load_secrets)
    assert {name: told(v) for name, v in hosts.items()} == {
        "rec1": {"north"},
        "rec2": {"south"},
        "stby1": {"north", "south"},
    }
    source = hosts["rec1"]["understudy_plan"]["logical"][0]["cameras"][0]["source"]
    assert source["password"] == "p@ss:w/rd#1?"


def test_s28_s30_the_mirror_has_a_slot_for_every_protected_camera_number() -> None:
    plan = read_site(LAB, load_secrets)["stby1"]["understudy_plan"]
    slots = plan["mirror"]["stby1"]
    assert [(slot["number"], slot["name"]) for slot in slots] == [(n, f"Camera {n}") for n in (1, 2, 3, 4)]
    yard = {"name": "yard", "disk": "D", "days": 3, "mode": "continuous", "pre_s": 5, "post_s": 10}
    alarm = {"name": "alarm", "disk": "E", "days": 3, "mode": "event", "pre_s": 5, "post_s": 5}
    assert slots[2]["tracks"] == [yard]
    assert [track for track in slots[3]["tracks"] if track["mode"] == "event"] == [alarm]


def test_s41_a_logical_address_in_the_physical_subnet_is_a_host_route() -> None:
    plan = read_site(LAB, load_secrets)["rec1"]["understudy_plan"]
    assert [a["address"] for a in plan["logical"][0]["addresses"]] == ["198.18.31.101/32", "fd00:31::101/128"]


def test_logical_keys_go_to_the_home_and_to_every_standby_only() -> None:
    hosts = read_site(LAB, load_secrets)
    keys = {name: [part["name"] for part in v["understudy_pki"]["logical"]] for name, v in hosts.items()}
    assert keys == {"rec1": ["north"], "rec2": ["south"], "stby1": ["north", "south"]}


def test_s37_a_site_that_names_no_users_has_one_admin(tmp_path: Path) -> None:
    hosts = read_site(LAB, load_secrets)
    assert all(v["understudy_users"] == [{"name": "admin", "role": "admin"}] for v in hosts.values())
    site = tmp_path / "some.site.yml"
    users = "users:\n  boss: {role: admin}\n  guard:\n\nnics:\n"
    site.write_text(LAB.read_text().replace("nics:\n", users, 1))
    (tmp_path / "group_vars" / "all").mkdir(parents=True)
    (tmp_path / "group_vars/all/vault.yml").write_text((LAB.parent / "group_vars/all/vault.yml").read_text())
    told = read_site(site, load_secrets)["rec1"]["understudy_users"]
    assert told == [{"name": "boss", "role": "admin"}, {"name": "guard", "role": "viewer"}]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({}, True),
        ({"groups": ["east", "west"]}, True),
        ({"groups": ["east"]}, False),
        ({"locations": ["hall"]}, True),
        ({"locations": ["roof"]}, False),
        ({"groups": ["west"], "locations": ["roof"]}, False),
    ],
)
def test_f05_a_standby_gets_the_secrets_of_its_groups_and_location(part: dict[str, Any], expected: bool) -> None:
    standby = {"kind": "standby", "name": "stby1", "group": "west", "location": "hall"}
    whole = {"name": "north", "home": "rec1", "groups": [], "locations": [], **part}
    assert may_carry(standby, whole) is expected
    # The agent decides by the same rule.
    server = agent_plan.Server(name="stby1", kind="standby", group="west", location="hall")
    logical = agent_plan.Logical(name="north", home="rec1", groups=whole["groups"], locations=whole["locations"])
    found = choices(logical, (server,))
    assert (found is None or "stby1" in found) is expected


def test_f05_a_standby_mirrors_only_what_its_groups_allow(tmp_path: Path) -> None:
    site = yaml.safe_load(LAB.read_text())
    second = json.loads(json.dumps(site["standbys"]["stby1"]))
    second["addresses"] = {"cam0": ["198.18.30.22/24"], "cli0": ["10.9.9.22/24", "fd00:99::22/64"]}
    site["standbys"]["stby1"]["group"], second["group"], second["etcd"] = "west", "east", False
    site["standbys"]["stby2"] = second
    site["logical"]["north"]["groups"] = ["west"]
    site["logical"]["south"]["groups"] = ["west", "east"]
    site["logical"]["south"]["addresses"] = {"cli0": ["198.18.31.102/24"]}
    plan = read(yaml.safe_dump(site), tmp_path)["stby1"]["understudy_plan"]
    numbers = {name: [slot["number"] for slot in slots] for name, slots in plan["mirror"].items()}
    south = [camera["number"] for camera in plan["logical"][1]["cameras"]]
    assert numbers == {"stby1": [1, 2, 3, 4], "stby2": sorted(south)}
    assert len(south) < 4, "north has cameras that a standby of another group needs no device for"


def test_s58_rules_and_notifications_reach_every_server_with_their_defaults_and_logins(tmp_path: Path) -> None:
    text = LAB.read_text().replace("security: none, from", "security: starttls, credentials: post, from")
    text = text.replace("port: 25, ", "").replace(
        "  per_hour", "  webhook: {url: 'https://h.test/x', credentials: hook}\n  per_hour"
    )
    logins = "{cameras: {username: v, password: p}, post: {username: nvr, password: s3}, hook: {password: k}}"
    for variables in read(text, tmp_path, f"understudy_credentials: {logins}").values():
        plan = agent_plan.decode(json.dumps(variables["understudy_plan"]).encode(), "plan")
        rules = {rule.name: rule for rule in plan.rules}
        assert rules["broken"].actions == ("failover",)
        assert (rules["camera-link"].nic, rules["camera-link"].where) == ("cam0", ("rec1", "rec2"))
        assert (rules["footage-disk"].for_s, rules["footage-disk"].clear_s) == (5, 30)
        assert plan.notify.mail is not None
        assert (plan.notify.mail.port, plan.notify.mail.username, plan.notify.mail.password) == (587, "nvr", "s3")
        assert plan.notify.webhook is not None
        assert plan.notify.webhook.secret == "k"
        assert plan.ntp_servers == ("198.18.30.5",)


def test_a_witness_is_told_no_login_of_a_mail_server(tmp_path: Path) -> None:
    example = (ROOT / "inventory/examples/one-plus-one-witness/kiosk.site.yml").read_text()
    mail = "notify: {mail: {host: mail.test, from: a@b, to: [c@d], credentials: cameras}}\n"
    for variables in read(example + mail, tmp_path).values():
        plan = agent_plan.decode(json.dumps(variables["understudy_plan"]).encode(), "plan")
        assert (plan.notify.mail is None) == (plan.me.kind == "witness")


WRONG = yaml.safe_load((Path(__file__).parent / "wrong_sites.yml").read_text())


@pytest.mark.parametrize("wrong", WRONG, ids=[wrong["says"] for wrong in WRONG])
def test_a_mistake_is_named_with_line_key_and_value(wrong: dict[str, str], tmp_path: Path) -> None:
    text = LAB.read_text()
    assert wrong["replace"] in text
    with pytest.raises(SiteFileError, match=wrong["says"]) as refused:
        read(text.replace(wrong["replace"], wrong["by"], 1), tmp_path)
    assert "nothing was touched" in str(refused.value)
    assert re.search(r"depot\.site\.yml:\d+: ", str(refused.value))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = LAB.read_text().replace("home: rec2", "home: rec9").replace("disk: D,", "disk: K,")
    with pytest.raises(SiteFileError, match="2 mistakes in the site file"):
        read(text, tmp_path)


def test_a_missing_password_is_named_with_its_file(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match=r"'cameras' has no password in .*vault\.yml"):
        read(LAB.read_text(), tmp_path, "understudy_credentials: {cameras: {username: viewer}}")


def test_a_broken_file_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(SiteFileError, match=r"depot\.site\.yml:4: not YAML"):
        read("plugin: understudy.nvr.site\nsite:\n  - [name\n", tmp_path)


def test_the_reference_page_is_what_the_schema_says() -> None:
    assert (ROOT / "docs/reference/site-file.md").read_text() == site_reference.page()


@pytest.mark.parametrize("path", sorted((ROOT / "inventory/examples").glob("*/*.site.yml")), ids=lambda path: path.stem)
def test_the_examples_are_right(path: Path) -> None:
    for name, variables in read_site(path, load_secrets).items():
        plan = agent_plan.decode(json.dumps(variables["understudy_plan"]).encode(), str(path))
        assert plan.me.name == name

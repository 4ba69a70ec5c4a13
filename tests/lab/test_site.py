"""Given a provisioned site: a second run changes nothing, time is kept, the status says what it must."""

from __future__ import annotations

import re

import story
from harness.lab import Lab


def test_a_second_run_of_site_yml_changes_nothing(site: Lab) -> None:
    with story.no_takeover(site):
        run = site.site(check=False)
    assert run.returncode == 0, run.stdout[-3000:]
    story.assert_unchanged(run, ("rec1", "rec2", "stby1"))


def test_check_mode_changes_nothing_and_fails_nowhere(site: Lab) -> None:
    run = site.site("--check", "--diff", check=False)
    assert run.returncode == 0, run.stdout[-3000:]
    story.assert_unchanged(run, ("rec1", "rec2", "stby1"))


def test_s42_every_server_is_synchronised(site: Lab) -> None:
    for host in ("rec1", "rec2", "stby1"):
        sources = site.host(host).run(["chronyc", "-n", "-c", "sources"]).stdout
        assert re.search(r"^\^,\*,198\.18\.30\.5,", sources, re.M), f"{host}: {sources}"


def test_s51_nothing_is_recorded_on_the_standby_itself(site: Lab) -> None:
    for part in story.HOMES:
        assert not story.segments_held(site, "stby1", part)


def test_s40_s41_logical_addresses_are_where_the_carrier_is_and_nowhere_else(site: Lab) -> None:
    status = site.status()
    for part in status["logical"]:
        for address in part["addresses"]:
            holders = [
                host
                for host in ("rec1", "rec2", "stby1")
                if re.search(rf"\b{re.escape(address)}/", site.host(host).run(["ip", "-o", "address"]).stdout)
            ]
            assert holders == [part["carrier"]], f"{address} is on {holders}"


def test_s66_the_logical_certificate_verifies_by_name_and_by_address(site: Lab) -> None:
    authority = site.host("rec1").run(["cat", "/etc/understudy/pki/ca.crt"]).stdout
    site.client.run(["sh", "-c", "cat > /tmp/ca.crt"], input=authority)
    for target in ("https://198.18.31.101/health", "https://[fd00:31::101]/health"):
        answer = site.client.run(["curl", "-sf", "--max-time", "5", "--cacert", "/tmp/ca.crt", target]).stdout
        assert '"ok"' in answer
    by_name = ["curl", "-sf", "--max-time", "5", "--cacert", "/tmp/ca.crt", "--resolve", "north:443:198.18.31.101"]
    assert '"ok"' in site.client.run([*by_name, "https://north/health"]).stdout


def test_nothing_but_health_answers_without_a_certificate(site: Lab) -> None:
    for path in ("/api/v1/status", "/api/v1/node", "/api/v1/footage/north/segments", "/api/v1/timeline/north/1"):
        code = site.client.run(
            ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", f"https://198.18.31.101{path}"]
        ).stdout
        assert code in ("401", "403"), f"{path}: {code}"

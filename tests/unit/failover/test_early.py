"""Golden cases of `takeover: early`: who may be early, what must be silent, and until when addresses are held."""

from __future__ import annotations

from typing import Any

import pytest
from understudy.arbitration.register import Beat, Owner, decode_beat, encode
from understudy.failover.model import Phase, Probe, ProbeResult


def suspicious(bench: Any, *, named: tuple[str, ...] = ("stby1",), takeover: str = "early") -> Any:
    """stby1 heard rec1 carry north a moment ago, and nothing of it since."""
    server = bench("stby1", takeover=takeover)
    for part, home in (("north", "rec1"), ("south", "rec2")):
        beat = encode(Beat(boot="b", seq=1, takers=("stby1",), holds=(part,), early=named))
        server.register.values[server.keys.owner(part)] = encode(Owner(node=home, epoch=1))
        server.register.values[server.keys.beat(home)] = beat
        server.hear(home, carries=(part,), ready=(part,), beat=beat)
    for _ in range(20):
        south(server)
        server.hear("rec1", carries=("north",), ready=("north",), beat=beat_of_rec1(server))
        server.step()
    renew(server)
    south(server)
    server.step()
    return server


def beat_of_rec1(server: Any) -> bytes:
    found: bytes = server.register.values[server.keys.beat("rec1")]
    return found


def renew(server: Any) -> None:
    old = decode_beat("", beat_of_rec1(server))
    new = encode(Beat(boot="b", seq=old.seq + 1, takers=old.takers, holds=old.holds, early=old.early))
    server.register.values[server.keys.beat("rec1")] = new
    server.hear("rec1", carries=("north",), ready=("north",), beat=new)


def south(server: Any) -> None:
    server.hear("rec2", carries=("south",), ready=("south",), state=Phase.SERVING)


def silence(server: Any, seconds: float, answer: dict[str, bool] | None = None) -> None:
    """rec1 is silent; the wire answers a probe four steps later."""
    for _ in range(round(seconds * 10)):
        south(server)
        for action in server.step():
            if isinstance(action, Probe) and answer is not None:
                server.probes = {**server.probes, action.part: ProbeResult(asked_s=server.now, **answer)}


SILENT = {"answered": False}


def test_s05_early_claims_after_1_7_s_of_silence_everywhere(bench: Any) -> None:
    server = suspicious(bench)
    silence(server, 1.5, SILENT)
    assert server.phase() is Phase.SHADOWING
    silence(server, 0.5, SILENT)
    assert server.phase() is Phase.TAKEN_OVER
    assert 404 in server.rows


@pytest.mark.parametrize("answer", [{"answered": True}, {"answered": False, "complete": False}, None])
def test_an_address_that_answers_or_could_not_be_asked_for_is_not_taken_early(bench: Any, answer: Any) -> None:
    server = suspicious(bench)
    silence(server, 3.2, answer)
    assert server.phase() is Phase.SHADOWING


def test_a_standby_that_is_not_named_is_not_early(bench: Any) -> None:
    server = suspicious(bench, named=())
    silence(server, 3.2, SILENT)
    assert server.phase() is Phase.SHADOWING
    silence(server, 1.0, SILENT)
    assert server.phase() is Phase.TAKEN_OVER
    assert 404 not in server.rows


def test_a_certain_standby_is_not_early_whatever_the_beat_says(bench: Any) -> None:
    server = suspicious(bench, takeover="certain")
    silence(server, 3.2, SILENT)
    assert server.phase() is Phase.SHADOWING


def test_a_carrier_that_is_heard_is_not_taken_from_early(bench: Any) -> None:
    """Its agent is new and confirms nothing yet; it lives."""
    server = suspicious(bench)
    for _ in range(32):
        server.hear("rec1", boot="b", state=Phase.STARTING)
        silence(server, 0.1, SILENT)
    assert server.phase() is Phase.SHADOWING


def serving(bench: Any, **site: Any) -> Any:
    server = bench("rec1", takeover="early", **site)
    server.register.values[server.keys.owner("north")] = encode(Owner(node="rec1", epoch=1))
    for _ in range(30):
        server.hear("stby1", state=Phase.STANDBY, register_ok=True)
        server.step()
    assert list(server.held) == ["north"]
    return server


def own_beat(server: Any) -> Beat:
    return decode_beat("", server.register.values[server.keys.beat("rec1")])


def test_a_carrier_names_the_servers_it_hears(bench: Any) -> None:
    server = serving(bench, standbys=("stby1", "stby2"))
    assert own_beat(server).takers == ("stby1", "stby2")
    assert own_beat(server).early == ("stby1",)


def test_a_certain_carrier_names_nobody(bench: Any) -> None:
    server = bench("rec1")
    server.register.values[server.keys.owner("north")] = encode(Owner(node="rec1", epoch=1))
    for _ in range(30):
        server.hear("stby1", state=Phase.STANDBY, register_ok=True)
        server.step()
    assert own_beat(server).early == ()


def test_fault_25_alone_it_drops_its_addresses_long_before_the_kernel_would(bench: Any) -> None:
    server = serving(bench)
    deadline_s = server.held["north"]
    server.answers = "lost"
    server.run(1.4)
    assert server.phase() is Phase.ISOLATED
    assert not server.held
    assert server.now < deadline_s - 1.0


def test_fault_18_promises_keep_them(bench: Any) -> None:
    server = serving(bench)
    server.answers = "lost"
    for _ in range(40):
        ask = server.state.beacon.ask
        grants = {"rec1": ("boot1", ask)} if ask is not None else {}
        server.hear("stby1", state=Phase.STANDBY, grants=grants)
        server.step()
    assert list(server.held) == ["north"]

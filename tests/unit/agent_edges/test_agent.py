"""The shell around the step: what arrives late still arrives, and every action reaches its edge."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from understudy import systemd
from understudy.arbitration.memory import MemoryRegister
from understudy.arbitration.register import Txn, TxnResult
from understudy.arbitration.voters import Voters
from understudy.clock import boottime_s
from understudy.control import ControlError
from understudy.failover import model
from understudy.failover.agent import Agent, Edges
from understudy.failover.commands import Commands
from understudy.failover.hold import Table
from understudy.failover.journal import Journal
from understudy.failover.model import Heartbeat, Memory, Mode, PartProgress, Peer, Phase
from understudy.failover.orderbook import OrderBook
from understudy.failover.orders import Maintenance, Standing
from understudy.failover.site_view import site_of
from understudy.failover.step import initial
from understudy.network.addresses import AddressError
from understudy.network.netlink import Link
from understudy.site.plan import Logical, LogicalAddress, Nic, Plan, Server

PLAN = Plan(
    version=1,
    site="lab",
    node="rec1",
    servers=(
        Server(name="rec1", kind="server", nics=(Nic(name="cli0", role="clients", addresses=()),)),
        Server(name="stby1", kind="standby", rank=0, nics=(Nic(name="cam0", role="cameras", addresses=()),)),
    ),
    logical=(Logical(name="north", home="rec1", addresses=(LogicalAddress(nic="cli0", address="198.18.31.101/32"),)),),
)


class Kernel:
    """Stands in for the Keeper."""

    def __init__(self) -> None:
        self.wanted = model.Addresses()
        self.links: dict[str, Link] = {}
        self.broken = False
        self.announced: list[str] = []

    def read(self) -> Table:
        if self.broken:
            raise AddressError("cannot list")
        return Table(self.links, ())

    def parts_in(self, _table: Table) -> frozenset[str]:
        return frozenset(self.wanted.hold)

    def apply(self, wanted: model.Addresses, _table: Table) -> None:
        self.wanted = wanted

    def announce(self, part: str) -> None:
        self.announced.append(part)

    def places(self, part: str) -> list[Any]:
        return [part]


class Wire:
    async def probe(self, _places: Any) -> bool:
        return True


class Air:
    def __init__(self) -> None:
        self.said: Heartbeat | None = None
        self.heard: dict[str, Peer] = {}

    def say(self, heartbeat: Heartbeat, *, urgent: bool, now_s: float) -> None:
        self.said = heartbeat

    def peers(self) -> dict[str, Peer]:
        return {name: Peer(heartbeat=p.heartbeat, heard_s={"lan": boottime_s()}) for name, p in self.heard.items()}

    def double(self, _now_s: float) -> str:
        return ""

    def hear(self, heartbeat: Heartbeat) -> None:
        self.heard[heartbeat.node] = Peer(heartbeat=heartbeat, heard_s={})


class SlowRegister:
    """Answers after `delay_s`, during which the loop goes on stepping."""

    def __init__(self, register: MemoryRegister, delay_s: float) -> None:
        self._register, self._delay_s = register, delay_s

    async def execute(self, number: int, txn: Txn) -> TxnResult:
        sent_at_s = boottime_s()
        await asyncio.sleep(self._delay_s)
        held, values = self._register.execute(txn)
        return TxnResult(number, "ok" if held else "refused", sent_at_s, boottime_s(), values)


class Tape:
    """Stands in for the RecorderLink."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}
        self.assigned: dict[str, Mode] = {}
        self.trouble: str | None = None

    def parts(self, _now_s: float) -> dict[str, PartProgress]:
        return {}

    def assign(self, parts: dict[str, Mode]) -> None:
        self.assigned = parts

    def limitation(self, _now_s: float) -> str | None:
        return self.trouble


class Stage:
    def __init__(
        self,
        tmp_path: Path,
        node: str = "rec1",
        register_delay_s: float = 0.0,
        logical: tuple[Logical, ...] = PLAN.logical,
    ) -> None:
        plan = Plan(version=1, site="lab", node=node, servers=PLAN.servers, logical=logical)
        self.kernel, self.air, self.tape, self.register = Kernel(), Air(), Tape(), MemoryRegister()
        edges: Any = Edges(
            plan,
            self.kernel,  # type: ignore[arg-type]
            Wire(),  # type: ignore[arg-type]
            self.air,  # type: ignore[arg-type]
            SlowRegister(self.register, register_delay_s),  # type: ignore[arg-type]
            Voters({}, None),
            self.tape,  # type: ignore[arg-type]
            Journal(tmp_path),
            OrderBook(tmp_path, "boot"),
            asyncio.Event(),
        )
        # It has listened long enough to know that nobody else carries its part.
        self.agent = Agent(edges, initial(site_of(plan), "boot", Memory(), boottime_s() - plan.timing.suspect_s))
        self.commands = Commands(self.agent)

    async def play(self, story: Any, seconds: float = 3.0) -> Any:
        """Run the agent while `story`, an awaitable, comes to its end; its result."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.agent.run(stop))
        try:
            async with asyncio.timeout(seconds):
                return await story
        finally:
            stop.set()
            self.agent.edges.wake.set()
            await task

    async def run(self, seconds: float) -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(self.agent.run(stop))
        await asyncio.sleep(seconds)
        stop.set()
        await task


def test_the_service_manager_hears_that_the_loop_runs_but_not_with_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, ...]] = []
    monkeypatch.setattr(systemd, "notify", lambda *fields: told.append(fields))

    async def story() -> None:
        stage = Stage(tmp_path)
        await stage.run(0.3)
        known = len(told)
        await stage.run(1.2)
        assert "STATUS=SERVING: north SERVING" in told[known - 1]
        assert all("WATCHDOG=1" in fields for fields in told)
        assert 1 <= len(told) - known <= 4

    asyncio.run(story())


@pytest.mark.parametrize("delay_s", [0.0, 0.25])
def test_a_home_serves_however_slowly_the_register_answers(tmp_path: Path, delay_s: float) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, register_delay_s=delay_s)
        await stage.run(1.2)
        assert stage.agent.state.parts["north"].phase == Phase.SERVING
        assert stage.agent.state.unresolved == ()
        assert set(stage.kernel.wanted.hold) == {"north"}
        assert stage.kernel.announced == ["north"]
        assert stage.tape.assigned == {"north": "record"}
        assert stage.air.said is not None
        assert stage.air.said.carries == ("north",)

    asyncio.run(story())


def test_nothing_is_decided_while_the_kernel_does_not_tell_its_addresses(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path)
        stage.kernel.broken = True
        await stage.run(0.3)
        assert stage.air.said is None
        with pytest.raises(ControlError, match="has just started"):
            await stage.commands.status({})

    asyncio.run(story())


def test_f13_a_standby_says_why_it_is_unfit(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, "stby1")
        stage.kernel.links = {"cam0": Link(2, "cam0", bytes(6), True), "cli0": Link(3, "cli0", bytes(6), False)}
        stage.tape.trouble = "disk letter C is missing"
        await stage.run(0.2)
        assert stage.agent.observation is not None
        assert stage.agent.observation.unfit == ("cli0 has no link", "disk letter C is missing")
        status = (await stage.commands.status({}))["status"]
        assert "disk letter C is missing" in status["servers"][1]["reason"]
        assert status["protection"]["state"] == "UNPROTECTED"

    asyncio.run(story())


def test_f05_a_standby_needs_no_interface_of_parts_that_it_may_not_take(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, "stby1", logical=(msgspec.structs.replace(PLAN.logical[0], groups=("east",)),))
        stage.kernel.links = {"cam0": Link(2, "cam0", bytes(6), True)}
        await stage.run(0.2)
        assert stage.agent.observation is not None
        assert stage.agent.observation.unfit == ()

    asyncio.run(story())


def test_a_probe_becomes_an_observation(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path)
        stage.agent._act(model.Probe(part="north"), Table({}, ()))
        await stage.run(0.1)
        assert stage.agent.observation is not None
        assert stage.agent.observation.probes["north"].answered

    asyncio.run(story())


def test_s09_handback_is_refused_where_there_is_nothing_to_hand_back(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path)
        await stage.run(0.3)
        for logical in ("north", "nobody", None):
            with pytest.raises(ControlError, match="rec1 does not carry"):
                await stage.commands.hand_back({"logical": logical})
        with pytest.raises(ControlError, match="since_s"):
            await stage.commands.explain({"since_s": "yesterday"})
        assert [row["row"] for row in (await stage.commands.explain({}))["decisions"]][:2] == [111, 511]

    asyncio.run(story())


def test_fault_04_leave_answers_when_nothing_is_carried_any_more(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path)
        await stage.run(0.5)
        assert await stage.play(stage.commands.leave({})) == {"gone": True}
        assert stage.kernel.wanted.hold == {}
        assert [row["row"] for row in (await stage.commands.explain({}))["decisions"]][-3:] == [213, 231, 232]

    asyncio.run(story())


def test_s59_s65_fail_and_clear_are_on_disk_before_the_answer(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path)
        await stage.run(0.5)
        with pytest.raises(ControlError, match="is not FAILED"):
            await stage.commands.clear({})
        with pytest.raises(ControlError, match="a reason is needed"):
            await stage.commands.fail({"reason": " "})
        await stage.commands.fail({"reason": "disk C is read-only"})
        assert OrderBook(tmp_path, "another boot").now(0.0).failed == "disk C is read-only"
        await stage.run(0.6)
        assert stage.agent.state.parts["north"].phase == Phase.FAILED
        assert stage.tape.assigned == {"north": "off"}
        assert stage.kernel.wanted.hold == {}
        await stage.commands.clear({})
        await stage.run(0.2)
        assert stage.agent.state.parts["north"].phase == Phase.CLEARED
        assert OrderBook(tmp_path, "boot").now(0.0).cleared
        assert OrderBook(tmp_path, "another boot").now(0.0).failed == ""

    asyncio.run(story())


def test_f03_maintenance_without_a_standby_waits_and_says_so(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path)
        await stage.run(0.5)
        with pytest.raises(ControlError, match="is over already"):
            await stage.commands.maintenance({"on": True, "until_wall_s": 5.0, "until": "1970"})
        answer = await stage.commands.maintenance({"on": True, "until_wall_s": 4e9, "until": "2096-10-02T07:06:40Z"})
        assert answer == {"maintenance": True, "carries": ["north"]}
        assert (await stage.commands.orders({}))["maintenance"] == {"until": "2096-10-02T07:06:40Z"}
        await stage.run(0.3)
        assert stage.agent.state.parts["north"].phase == Phase.SERVING
        waiting = (await stage.commands.explain({}))["waiting"]
        assert waiting["north"] == "in maintenance until 2096-10-02T07:06:40Z; no standby can take it now"
        assert (await stage.commands.maintenance({"on": False}))["maintenance"] is False
        await stage.run(0.2)
        assert (await stage.commands.explain({}))["waiting"] == {}
        calm = {"maintenance": None, "failed": "", "cleared": False, "detached": False, "moves": {}}
        assert await stage.commands.orders({}) == calm

    asyncio.run(story())


def test_f03_a_part_moves_to_the_standby_that_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path)
        await stage.run(0.5)
        for server, complaint in (("rec1", "already"), ("rec9", "allowed: rec1, stby1"), ("stby1", "is not heard")):
            with pytest.raises(ControlError, match=complaint):
                await stage.commands.move({"logical": "north", "server": server})
        standby = Heartbeat(node="stby1", boot="b", state=Phase.STANDBY, room=1, register_ok=True)
        stage.air.hear(standby)
        await stage.run(0.2)
        await stage.commands.move({"logical": "north", "server": "stby1"})
        await stage.run(0.3)
        assert stage.agent.state.parts["north"].phase == Phase.HANDING_OVER
        assert stage.air.said is not None
        assert (stage.air.said.handing, stage.air.said.moved) == ({"north": "stby1"}, ("north",))
        takes = ("north",)
        stage.air.hear(msgspec.structs.replace(standby, room=0, takes=takes, ready=("north",)))
        await stage.run(0.5)
        assert stage.agent.state.parts["north"].phase == Phase.RETURNING
        assert stage.agent.edges.orders.moves == {}

    asyncio.run(story())


def test_f22_a_lost_register_is_written_anew_on_an_order_and_only_then(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path)
        await stage.run(0.5)
        owner = stage.register.values.get(key := stage.agent.state.site.keys.owner("north"))
        with pytest.raises(ControlError, match="nothing to do"):
            await stage.commands.recreate({"yes": True})
        stage.register.values.clear()
        with pytest.raises(ControlError, match="stby1 is not heard"):
            await stage.commands.recreate({"yes": True})
        stage.air.hear(Heartbeat(node="stby1", boot="b", state=Phase.STANDBY, room=1, epochs={"north": 9}))
        await stage.run(0.2)
        told = await stage.commands.recreate({})
        assert (told["written"], stage.register.values.get(key)) == (False, None)
        assert told["owners"]["north"]["epoch"] == 10
        timing = msgspec.structs.replace(stage.agent.state.site.timing, take_s=0.2)
        stage.commands._site = msgspec.structs.replace(stage.agent.state.site, timing=timing)
        told = await stage.play(stage.commands.recreate({"yes": True, "without": []}))
        assert told["written"]
        await stage.run(0.4)
        assert stage.agent.state.parts["north"].phase == Phase.SERVING
        assert stage.agent.state.parts["north"].epoch == 10
        assert owner != stage.register.values[key]
        for wrong in ("rec1", [1]):
            with pytest.raises(ControlError, match="not a list of servers"):
                await stage.commands.recreate({"without": wrong})

    asyncio.run(story())


def test_f22_a_carrier_that_comes_or_goes_while_the_register_is_written_anew_stops_it(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, "stby1")
        stage.air.hear(Heartbeat(node="rec1", boot="b", state=Phase.SERVING, carries=("north",), epochs={"north": 9}))
        await stage.run(0.2)
        timing = msgspec.structs.replace(stage.agent.state.site.timing, take_s=0.4)
        stage.commands._site = msgspec.structs.replace(stage.agent.state.site, timing=timing)

        async def change() -> None:
            await asyncio.sleep(0.1)
            stage.air.hear(Heartbeat(node="rec1", boot="b", state=Phase.ISOLATED, epochs={"north": 9}))

        with pytest.raises(ControlError, match="have changed meanwhile"):
            await stage.play(asyncio.gather(stage.commands.recreate({"yes": True}), change()))
        assert stage.agent.state.site.keys.owner("north") not in stage.register.values

    asyncio.run(story())


def test_s56_failover_delete_refuses_while_it_carries_another_s_part(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, "stby1")
        await stage.run(0.2)
        stage.agent.state.parts["north"].phase = Phase.TAKEN_OVER
        with pytest.raises(ControlError, match="carries north for another server"):
            await stage.commands.detach({})
        stage.agent.state.parts["north"].phase = Phase.STANDBY
        assert await stage.play(stage.commands.detach({})) == {"detached": True, "carries": []}
        assert OrderBook(tmp_path, "later").now(0.0).detached

    asyncio.run(story())


def test_s65_a_server_that_cannot_read_its_orders_counts_as_failed(tmp_path: Path) -> None:
    (tmp_path / "orders.json").write_text("{")
    assert "cannot be read" in OrderBook(tmp_path, "boot").now(0.0).failed


def test_f03_maintenance_ends_by_itself(tmp_path: Path) -> None:
    async def story() -> None:
        book = OrderBook(tmp_path, "boot")
        await book.set(Standing(maintenance=Maintenance(since_wall_s=0.0, until_wall_s=100.0, until="noon")))
        assert book.now(99.0).maintenance == "until noon"
        assert book.now(100.0).maintenance == ""
        assert OrderBook(tmp_path, "next boot").now(100.0).withdrawn == ""

    asyncio.run(story())

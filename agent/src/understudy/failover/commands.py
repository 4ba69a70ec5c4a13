"""What the agent answers on its control socket (docs/reference/interfaces.md): questions, and orders of people."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from msgspec import to_builtins
from msgspec.structs import replace

from understudy.arbitration.register import Txn, TxnResult
from understudy.clock import boottime_s
from understudy.control import ControlError, Document, Handler
from understudy.failover import decide, moves, order, status
from understudy.failover.agent import Agent
from understudy.failover.facts import Facts
from understudy.failover.memory import Part
from understudy.failover.model import Phase
from understudy.failover.orders import Fault, Maintenance
from understudy.failover.recreate import Recreation, limitation, reads, recreation

log = logging.getLogger(__name__)

#: how long a shutdown may take to hand everything over: first frames, drop, release, and one more try at a handback
LEAVE_S = 15.0


class Commands:
    """Handlers for `control.serve`; all run in the event loop of the agent, between its steps."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._site = agent.state.site
        self._book = agent.edges.orders

    def handlers(self) -> dict[str, Handler]:
        """Operation -> handler."""
        return {
            "status": self.status,
            "explain": self.explain,
            "orders": self.orders,
            "handback": self.hand_back,
            "move": self.move,
            "maintenance": self.maintenance,
            "fail": self.fail,
            "clear": self.clear,
            "detach": self.detach,
            "leave": self.leave,
            "recreate": self.recreate,
        }

    def _now(self) -> Facts:
        """The newest observation, as of now."""
        if self._agent.observation is None:
            raise ControlError("the agent has just started")
        return Facts(self._agent.state, self._agent.observation)

    def _parts(self) -> list[Part]:
        return list(self._agent.state.parts.values())

    def _obey(self) -> None:
        self._agent.edges.wake.set()

    # -- questions ----------------------------------------------------------------------------------

    async def status(self, _request: Document) -> Document:
        """`status`: the status document."""
        edges = self._agent.edges
        answer = edges.recorder.answer if edges.recorder.parts(boottime_s()) is not None else {}
        return {"status": status.document(edges.plan, self._now(), answer, time.time(), edges.voters.trouble)}

    async def explain(self, request: Document) -> Document:
        """`explain`: rows of the last `since_s` seconds (all that is remembered without), and what is waited for."""
        since_s = _number(request, "since_s")
        oldest_s = boottime_s() - since_s if since_s is not None else 0.0
        rows = [line for line in self._agent.edges.journal.recent if line["boottime_s"] >= oldest_s]
        return {"decisions": rows, "waiting": waiting(self._now())}

    async def orders(self, _request: Document) -> Document:
        """`orders`: what people want of this server now; `maintenance` is null or how long it lasts."""
        now, standing = self._book.now(time.time()), self._book.standing
        maintenance = standing.maintenance
        return {
            "maintenance": {"until": maintenance.until} if now.maintenance and maintenance else None,
            "failed": now.failed,
            "cleared": now.cleared,
            "detached": now.detached,
            "moves": now.moves,
        }

    # -- moves --------------------------------------------------------------------------------------

    async def hand_back(self, request: Document) -> Document:
        """`handback`: bring `logical` home now, whatever `handback` in the site file says."""
        name = request.get("logical")
        part = self._agent.state.parts.get(str(name))
        if part is None or part.home == self._site.node or part.phase not in order.CARRYING:
            raise ControlError(f"{self._site.node} does not carry {name!r} for another server")
        self._book.moves[part.name] = part.home
        self._obey()
        return {"logical": part.name, "home": part.home}

    async def move(self, request: Document) -> Document:
        """`move`: have `logical` carried by `server`, a standby or its home, where it stays until it is sent home."""
        name, server = request.get("logical"), request.get("server")
        part = self._agent.state.parts.get(str(name))
        if part is None or part.phase not in order.CARRIED:
            raise ControlError(f"{self._site.node} does not carry {name!r}")
        if server == self._site.node:
            raise ControlError(f"{server} carries {name} already")
        if server != part.home:
            if server not in self._site.standbys:
                able = ", ".join((part.home, *self._site.standbys))
                raise ControlError(f"{server!r} cannot carry {name}; allowed: {able}")
            if self._site.choice(part.name, str(server)) is None:
                raise ControlError(
                    f"{server} may not carry {name}: {status.choice(self._agent.edges.plan, part.name, str(server))}"
                )
            if server not in dict(order.line(self._now())):
                raise ControlError(f"{server} cannot take {name} now: {unable(self._now(), str(server))}")
        self._book.moves[part.name] = str(server)
        self._obey()
        return {"logical": part.name, "server": server}

    async def leave(self, _request: Document) -> Document:
        """`leave`: the machine shuts down. Answers when nothing is carried here any more, or time is up."""
        self._book.leaving = True
        self._obey()
        gone = await self._until(lambda: not self._carried(), LEAVE_S)
        if not gone:
            log.error("the machine shuts down and %s could not be handed over", ", ".join(self._carried()))
        return {"gone": gone}

    def _carried(self) -> list[str]:
        away = order.CARRIED - {Phase.ISOLATED}
        return [part.name for part in self._parts() if part.phase in away]

    async def _until(self, is_so: Callable[[], bool], limit_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not is_so():
                    self._agent.stepped.clear()
                    await self._agent.stepped.wait()
        return is_so()

    # -- standing orders ----------------------------------------------------------------------------

    async def maintenance(self, request: Document) -> Document:
        """`maintenance`: `on` or off, until `until_wall_s` (written `until`) if given."""
        if not request.get("on"):
            await self._book.set(replace(self._book.standing, maintenance=None))
            self._obey()
            return {"maintenance": False, "carries": self._carried()}
        until_wall_s = _number(request, "until_wall_s")
        if until_wall_s is not None and until_wall_s <= time.time():
            raise ControlError(f"{request.get('until', 'that time')} is over already")
        ordered = Maintenance(
            since_wall_s=time.time(), until_wall_s=until_wall_s, until=str(request.get("until") or "")
        )
        await self._book.set(replace(self._book.standing, maintenance=ordered))
        self._obey()
        return {"maintenance": True, "carries": self._carried()}

    async def fail(self, request: Document) -> Document:
        """`fail`: declare this server FAILED (99) for `reason`; lasts until `clear` and a restart of the machine."""
        reason = str(request.get("reason") or "").strip()
        if not reason:
            raise ControlError("a reason is needed")
        self._refuse_witness()
        fault = Fault(reason=reason, since_wall_s=time.time())
        await self._book.set(replace(self._book.standing, fault=fault))
        self._obey()
        return {"failed": reason}

    async def clear(self, _request: Document) -> Document:
        """`clear`: the fault is over; the machine must be restarted to work again."""
        fault = self._book.standing.fault
        if fault is None:
            raise ControlError(f"{self._site.node} is not FAILED")
        await self._book.set(replace(self._book.standing, fault=replace(fault, cleared_boot=self._book.boot)))
        self._obey()
        return {"cleared": fault.reason}

    async def detach(self, request: Document) -> Document:
        """`detach`: remove this server from failover for good; with `force` although it carries another's part."""
        self._refuse_witness()
        others = [part.name for part in self._parts() if part.home != self._site.node and part.phase in order.CARRIED]
        if others and not request.get("force"):
            raise ControlError(
                f"{self._site.node} carries {', '.join(others)} for another server; hand it back or move it first, "
                "or use --force"
            )
        await self._book.set(replace(self._book.standing, detached=True))
        self._obey()
        gone = await self._until(lambda: all(part.phase == Phase.DETACHED for part in self._parts()), LEAVE_S)
        return {"detached": gone, "carries": self._carried()}

    # -- the register -------------------------------------------------------------------------------

    async def recreate(self, request: Document) -> Document:
        """`recreate`: write a lost or restored register anew, if `yes`; `without`: servers that are switched off.

        Between two looks that must agree passes the time after which nobody holds an address that is not told of.
        """
        named: Any = request.get("without") or []
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            raise ControlError("without: not a list of servers")
        first = await self._recreation(named)
        if request.get("yes"):
            await asyncio.sleep(self._site.timing.take_s)
            if await self._recreation(named) != first:
                raise ControlError("the register or the servers have changed meanwhile: nothing was written, try again")
            for txn in first.txns:
                if (await self._execute(txn)).outcome == "refused":
                    raise ControlError("the register has changed meanwhile: not all was written, try again")
                log.warning(
                    "the register is written anew: %s", ", ".join(f"{key}={value!r}" for key, value in txn.puts)
                )
            self._agent.register_changed()
        return {
            "written": bool(request.get("yes")),
            "owners": {name: to_builtins(owner) for name, owner in first.owners.items()},
            "faults": first.faults,
        }

    async def _recreation(self, without: list[str]) -> Recreation:
        servers = [server.name for server in self._agent.edges.plan.servers]
        values: dict[str, bytes | None] = {}
        for txn in reads([part.name for part in self._site.parts], servers, self._site.keys):
            values |= (await self._execute(txn)).values
        found = recreation(self._now(), values, without)
        if not found.owners:
            raise ControlError("nothing to do: the register can be read and no server knows more than it")
        if (reason := limitation(self._now(), servers, without)) is not None:
            raise ControlError(reason)
        return found

    async def _execute(self, txn: Txn) -> TxnResult:
        """A transaction beside those of the agent; ControlError when there is no answer."""
        result = await self._agent.edges.etcd.execute(0, txn)
        if result.outcome == "lost":
            raise ControlError(f"the register does not answer, so it cannot be written: {result.error}")
        return result

    def _refuse_witness(self) -> None:
        if not self._site.mine:
            raise ControlError(f"{self._site.node} is a witness: it carries nothing")


def waiting(facts: Facts) -> dict[str, str]:
    """Why the next thing one might expect of a part does not happen yet."""
    found = {}
    for name, part in facts.state.parts.items():
        if (reason := _waits(facts, part)) is not None:
            found[name] = reason
    return found


def _waits(facts: Facts, part: Part) -> str | None:
    if part.phase in (Phase.SERVING, Phase.TAKEN_OVER) and (why := moves.reason(facts, part)) is not None:
        return f"{why}; {moves.hindrance(facts, part)}"
    if part.phase == Phase.TAKEN_OVER:
        return decide.handback_limitation(facts, part)
    if part.phase == Phase.SHADOWING or (part.phase == Phase.RETURNING and facts.suspect(part)):
        return decide.claim_limitation(facts, part)
    return None


def unable(facts: Facts, server: str) -> str:
    """Why a standby is not in the line of those that can take a part."""
    peer = facts.heard(server)
    if peer is None:
        return "it is not heard"
    return peer.heartbeat.withdrawn or f"it is {peer.heartbeat.state} and has no room"


def _number(request: Document, name: str) -> float | None:
    value: Any = request.get(name)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise ControlError(f"{name}: {value!r} is not a number of seconds")

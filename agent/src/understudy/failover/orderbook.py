"""The standing orders on disk: maintenance, the FAILED latch, removal. A crash leaves the old orders or the new ones.

People wait for the answer to a command, so the disk is waited for here, in a thread and for a limited time; the loop
never does.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path

import msgspec

from understudy import durable
from understudy.control import ControlError
from understudy.failover.orders import Fault, Orders, Standing, at_start, at_time, orders_of

log = logging.getLogger(__name__)

#: a command fails when the disk takes longer to keep it
KEEP_S = 3.0
#: how long the start waits for the orders of the last agent
LOAD_S = 2.0


class OrderBook:
    """What people want of this server; `set` changes what outlives the agent, the rest are plain fields."""

    def __init__(self, directory: Path, boot: str) -> None:
        self._path = directory / "orders.json"
        self.boot = boot
        self.standing = at_start(load(self._path), boot)
        self.leaving = False
        #: part -> server it is to be moved to
        self.moves: dict[str, str] = {}

    def now(self, wall_s: float) -> Orders:
        """The orders as of `wall_s`; maintenance whose time is over has ended."""
        current = at_time(self.standing, wall_s)
        if current is not self.standing:
            log.info("maintenance is over: its time has come")
            self.standing = current
        return orders_of(current, leaving=self.leaving, moves=self.moves)

    async def set(self, standing: Standing) -> None:
        """Keep `standing` on disk, then obey it; ControlError, and everything as before, when the disk does not."""
        try:
            async with asyncio.timeout(KEEP_S):
                await asyncio.to_thread(_keep, self._path, standing)
        except TimeoutError as error:
            raise ControlError(f"{self._path}: the disk does not answer; nothing was changed") from error
        except OSError as error:
            raise ControlError(f"{self._path}: {error.strerror}; nothing was changed") from error
        self.standing = standing


def load(path: Path, limit_s: float = LOAD_S) -> Standing:
    """The orders on disk. A server that cannot read whether it is FAILED counts as FAILED: the latch may be there."""
    found: list[Standing] = []
    reader = threading.Thread(target=_read, args=(path, found), daemon=True)
    reader.start()
    reader.join(limit_s)
    return found[0] if found else _unreadable(path, f"no answer from the disk within {limit_s:g} s")


def _read(path: Path, found: list[Standing]) -> None:
    try:
        found.append(msgspec.json.decode(path.read_bytes(), type=Standing))
    except FileNotFoundError:
        found.append(Standing())
    except (OSError, msgspec.DecodeError) as error:
        found.append(_unreadable(path, str(error)))


def _unreadable(path: Path, why: str) -> Standing:
    log.error("%s: %s", path, why)
    return Standing(fault=Fault(reason=f"{path} cannot be read: {why}", since_wall_s=time.time()))


def _keep(path: Path, standing: Standing) -> None:
    durable.replace(path, msgspec.json.encode(standing))

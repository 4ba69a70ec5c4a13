"""F10: when the carrier alone loses frames, they come from the standby's pre-roll, without a takeover."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import audit
import pytest
from running import PASSWORD, USER, Simulator
from twins import Twins, Wire, twins, until
from understudy.footage.peers import Peers
from understudy.site.plan import Source


def source(port: int) -> Source:
    return Source(type="rtsp", url=f"rtsp://127.0.0.1:{port}/gate", username=USER, password=PASSWORD)


async def healed(site: Twins, peers: Peers) -> None:
    """The standby's frames are at home, freed there, and nothing is missing with them; without them something is."""

    def home() -> bool:
        found = [row for row in site.rows() if row.recorder == "stby1"]
        return bool(found) and {row.holder for row in found} == {"rec1"} and not site.standby.files()

    took_s = await until(home, 20, "the standby's frames to be home, and freed there")
    print(f"home and freed after {took_s:.1f} s")
    timeline = await site.timeline(peers)
    assert not timeline.gaps
    assert {span.recorder for span in timeline.spans()} == {"rec1", "stby1"}
    found = site.audit()
    assert not found.missing
    assert not found.damaged
    assert audit.check([path for path in site.home.files() if "_rec1" in path.name]).missing
    assert len([row for row in site.rows() if row.recorder == "stby1" and row.stream == "video"]) == 1
    assert (await site.standby.progress())["mode"] == "pre-roll"


async def settled(site: Twins, requests: list[str]) -> None:
    """For a second of frames nothing is asked for any more and the standby holds nothing; within 10 s."""
    for _second in range(10):
        asked = [line for line in requests if "/heal?" in line]
        await site.home.frames((await site.home.progress())["frames"] + 25)
        if not site.standby.files() and [line for line in requests if "/heal?" in line] == asked:
            return
    raise AssertionError(f"no end to it: {requests[-5:]}, {site.standby.files()}")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_f10_a_recorder_that_is_killed_or_restarted_loses_no_frame(
    camsim: Simulator, tmp_path: Path, how: signal.Signals
) -> None:
    async def story() -> None:
        async with twins(tmp_path, source(camsim.port), source(camsim.port)) as (site, peers):
            site.home.end(how)
            site.home.start()
            await site.home.frames(25)
            await healed(site, peers)

    asyncio.run(story())


def test_f10_a_connection_that_breaks_on_one_side_only_loses_no_frame(camsim: Simulator, tmp_path: Path) -> None:
    async def story() -> None:
        wire = Wire(camsim.port)
        async with await wire.start(), twins(tmp_path, source(wire.port), source(camsim.port)) as (site, peers):
            wire.cut()
            await healed(site, peers)

    asyncio.run(story())


def test_f10_what_the_camera_never_sent_stays_a_gap_and_costs_nothing(camsim: Simulator, tmp_path: Path) -> None:
    async def story() -> None:
        async with twins(tmp_path, source(camsim.port), source(camsim.port)) as (site, peers):
            camsim.fault("gate", "reboot", 3)
            requests = site.fronts["stby1"].requests
            await until(lambda: any("/heal?" in line for line in requests), 20, "the gap to be asked for")
            # The standby may be back some frames before the carrier: those come home, and the camera's gap stays.
            await settled(site, requests)
            (gap,) = (await site.timeline(peers)).gaps
            assert gap.length_s > 2.5

    asyncio.run(story())

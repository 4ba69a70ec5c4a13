"""One scenario under way: the stage its function acts on, and the run around it.

Site whole; a client watches all logical addresses and a sampler looks where they are; the fault; what is expected;
everything healed and at home; the audits. Limits that are not kept are collected, so that the figures are complete.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import story
from harness.lab import Lab
from harness.probe import Watch
from harness.shell import LabError

from faults import audits
from faults.addresses import ALL, Sampler, wait_for_first_look
from faults.scenario import Scenario

#: from healing everything to everybody at home with full pre-roll: boot, 30 s of health at most, 15 s of pre-roll
HOME_LIMIT_S = 180.0
TAKE_LIMIT_S = 25.0
#: of an error that broke a play off
SAID_CHARACTERS = 400


@dataclass
class Play:
    """What a scenario's function works with. Times are CLOCK_MONOTONIC unless they say `wall`."""

    lab: Lab
    scenario: Scenario
    watch: Watch
    sampler: Sampler
    before: audits.Site
    began_s: float = field(default_factory=time.monotonic)
    began_wall_s: float = field(default_factory=time.time)
    healed_s: float = 0.0
    home_wall_s: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    _undo: list[Callable[[], object]] = field(default_factory=list)

    # -- acting

    def fault(self, name: str, host: str, *words: str) -> float:
        """A fault of the lab (`./lab fault`); returns when it was injected. `home` heals it."""
        at_s = time.monotonic()
        self.lab.fault(name, host, *words)
        return at_s

    def run(self, host: str, *argv: str, check: bool = True) -> str:
        """A command on a host; its standard output."""
        return self.lab.host(host).run(list(argv), check=check).stdout

    def signal(self, host: str, unit: str, name: str) -> float:
        """Send a signal to the unit's main process; returns when."""
        at_s = time.monotonic()
        self.run(host, "systemctl", "kill", "--kill-who=main", f"--signal={name}", unit)
        return at_s

    def stop(self, host: str, unit: str) -> float:
        """Freeze the unit's main process (SIGSTOP) until `home` or `resume`; returns when."""
        self.undo(lambda: self.resume(host, unit))
        return self.signal(host, unit, "STOP")

    def resume(self, host: str, unit: str) -> None:
        """Let a stopped process go on; one that the service manager has replaced meanwhile is not told."""
        self.lab.host(host).run(["systemctl", "kill", "--kill-who=main", "--signal=CONT", unit], check=False)

    def shut(self, host: str, *units: str) -> None:
        """Stop units until `home` or `open`."""
        self.undo(lambda: self.open(host, *units))
        self.run(host, "systemctl", "stop", *units)

    def open(self, host: str, *units: str) -> None:
        """Start units again, without waiting: a member of the register is up only when it has a majority."""
        if self.lab.host(host).alive:
            self.run(host, "systemctl", "start", "--no-block", *units)

    def undo(self, step: Callable[[], object]) -> None:
        """Something that `home` must do, last first, before it heals the lab's faults."""
        self._undo.append(step)

    # -- waiting

    def last(self, seconds: float) -> None:
        """Let the fault last: what must not happen meanwhile is seen by the watch, the sampler and the register."""
        until_s = time.monotonic() + seconds
        self.lab.wait(lambda: time.monotonic() >= until_s, seconds + 5, f"{seconds:g} s to pass")

    def until(self, condition: Callable[[], bool], limit_s: float, what: str) -> float:
        """Wait for a condition; returns the seconds it took."""
        return self.lab.wait(condition, limit_s, what)

    def status(self, server: str) -> dict[str, Any]:
        """The status document as `server` tells it, which may be cut off from others."""
        found: dict[str, Any] = json.loads(self.run(server, "understudy", "status", "--json"))
        return found

    def carried(self, part: str, server: str | None, limit_s: float = TAKE_LIMIT_S) -> None:
        """Wait until `part` is carried by `server` by its own word, or by nobody by the word of any that answers."""

        def done() -> bool:
            status = self.status(server) if server else self.lab.status()
            return bool(story.logical(status, part)["carrier"] == server)

        self.until(done, limit_s, f"{server or 'nobody'} to carry {part}")

    def answering(self, limit_s: float = TAKE_LIMIT_S) -> None:
        """Wait until all logical addresses answer the client."""
        self.until(self.watch.all_answer, limit_s, "all logical addresses to answer")

    def taken(self, part: str = "north", server: str = "stby1") -> None:
        """Wait until `part` is carried by `server` and every address answers again."""
        self.carried(part, server)
        self.answering()

    def state(self, server: str) -> str:
        """A server's state in the status document."""
        found: str = story.server(self.lab.status(), server)["state"]
        return found

    def progress(self, server: str) -> dict[str, Any]:
        """What the recorder of a server reports."""
        return story.progress(self.lab, server)

    def decided(self, server: str, row: int, part: str = "north") -> bool:
        """Whether a row of the table has fired on a server since the scenario began."""
        return any(line["row"] == row and line["part"] == part for line in self.decisions(server))

    def decisions(self, server: str) -> list[dict[str, Any]]:
        """The decision log of a server since the scenario began."""
        return audits.decisions(self.lab, server, self.began_wall_s)

    # -- judging

    def figure(self, name: str, value: float | None, limit: float | None = None) -> None:
        """Keep a measured figure under a name that ends with its unit; complain when it is above `limit`."""
        if value is None:
            self.complaints.append(f"{name}: never happened")
            return
        self.figures[name] = round(value, 3)
        if limit is not None and value > limit:
            self.complaints.append(f"{name}: {value:.2f}, limit {limit:g}")

    def expect(self, kept: bool, complaint: str) -> None:
        """Note what is not as it must be."""
        if not kept:
            self.complaints.append(complaint)

    def home(self) -> None:
        """Undo everything and wait until all is at home, recording, protected; only the first call does."""
        if self.healed_s:
            return
        self.healed_s = time.monotonic()
        self.unwind()
        self._hand_back()
        story.wait_whole(self.lab, HOME_LIMIT_S)
        self.home_wall_s = time.time()

    def unwind(self) -> None:
        """Undo everything, last first; one step that fails does not keep the others from being done."""
        steps, self._undo = self._undo[::-1], []
        for step in steps:
            try:
                step()
            except LabError as error:
                self.complaints.append(f"while healing: {error}")
        heal(self.lab)

    def _hand_back(self) -> None:
        """Send home what the standby carries, without waiting for `handback.after_s` (test_takeover does)."""
        for part in story.HOMES:
            command = ["understudy", "handback", part]
            self.lab.wait(lambda: bool(self.lab.status()), 60, "a server to answer")
            if story.carrier(self.lab, part) == "stby1":
                self.lab.host("stby1").run(command, check=False)


def heal(lab: Lab) -> None:
    """Undo every fault of the lab and of its cameras."""
    lab.heal("all")
    lab.host("cams").run(["sh", "-c", "cd /opt/lab && python3 -m camsim ctl all normal"])


@contextmanager
def told(play: Play, tell: Callable[[Play], None]) -> Iterator[None]:
    """Part of a play. An error in it becomes the last complaint, everything is undone and `tell` hears of it before
    the error goes on; KeyboardInterrupt only undoes: somebody gave up, which says nothing of the product.
    """
    try:
        yield
    except KeyboardInterrupt:
        play.unwind()
        raise
    except BaseException as error:  # pytest's own time limit is no Exception
        words = " ".join(str(error).split())
        play.complaints.append(f"broken off by {type(error).__name__}: {words[:SAID_CHARACTERS]}")
        play.unwind()
        tell(play)
        raise


def run(lab: Lab, scenario: Scenario, tell: Callable[[Play], None]) -> None:
    """Play a scenario from a whole site to a whole site.

    `tell` hears once of the play, also when an error breaks it off; its complaints say what was not as it must be.
    """
    heal(lab)
    story.wait_whole(lab, HOME_LIMIT_S)
    before = audits.look(lab)
    with lab.watch(ALL) as watch, Sampler() as sampler:
        wait_for_first_look(sampler)
        play = Play(lab, scenario, watch, sampler, before)
        with told(play, tell):
            scenario.play(play)
            play.home()
    ended_s = time.monotonic()
    with told(play, tell):
        audits.addresses(play, ended_s)
        audits.moves(play)
        audits.explained(play)
        audits.leftovers(play)
        audits.frames(play)
    tell(play)

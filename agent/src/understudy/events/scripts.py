"""Scripts of rules: run as this service, in its sandbox, without a shell, one at a time each; how they ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import signal

from understudy.events.facts import Script
from understudy.site.event_rules import Rule

log = logging.getLogger(__name__)

LIMIT_S = 30.0
_TEXT_BYTES = 300


async def run(command: str, limit_s: float = LIMIT_S) -> Script:
    """Run a command to its end; a script that does not end within `limit_s` is killed with all it started."""
    try:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Script(-1, f"it cannot be run: {error}")
    try:
        async with asyncio.timeout(limit_s):
            assert process.stdout is not None
            said = await process.stdout.read(_TEXT_BYTES)
            while await process.stdout.read(65536):
                pass  # what it says more is not kept, but it must not wait for a reader
            code = await process.wait()
    except TimeoutError:
        return Script(-1, f"it did not end within {limit_s:g} s")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return Script(code, (said.decode(errors="replace").splitlines() or [""])[0].strip())


class Scripts:
    """Runs the scripts of the rules, each at its own pace; `results` has the newest end of each."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = [rule for rule in rules if rule.cause == "script"]
        self.results: dict[str, Script] = {}

    async def run(self) -> None:
        """Run them again and again until cancelled."""
        await asyncio.gather(*(self._repeat(rule) for rule in self._rules), asyncio.Event().wait())

    async def _repeat(self, rule: Rule) -> None:
        while True:
            self.results[rule.name] = await run(rule.command)
            await asyncio.sleep(rule.every_s)

"""A machine in miniature: a network namespace of this machine. Needs root and `ip`."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000


def ip(*arguments: str) -> str:
    """Run `ip` and return what it prints; CalledProcessError when it fails."""
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20).stdout


@dataclass(frozen=True)
class Machine:
    """A network namespace with one interface `lan0`."""

    namespace: str

    def ip(self, *arguments: str) -> str:
        """Run `ip` for this machine."""
        return ip("-n", self.namespace, *arguments)

    def run(self, function: Callable[[], T]) -> T:
        """Run `function` in a thread of its own inside the namespace; sockets it opens stay there."""
        outcome: list[T] = []
        failure: list[BaseException] = []

        def work() -> None:
            try:
                with Path(f"/run/netns/{self.namespace}").open() as handle:
                    if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                outcome.append(function())
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                failure.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        return outcome[0]

    def arun(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """`run` for a coroutine function."""
        return self.run(lambda: asyncio.run(function()))

    def popen(self, *command: str) -> subprocess.Popen[str]:
        """Start `command` inside the namespace, able to import what this process can."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *command],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

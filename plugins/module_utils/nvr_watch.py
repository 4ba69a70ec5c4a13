# Copyright (c) 2026, The Understudy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For how long addresses do not answer, as a client sees it: a TCP connection tried every few milliseconds each."""

from __future__ import annotations

import selectors
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: a connection that takes longer counts as no answer; shorter than the kernel's first repeated SYN (1 s)
ANSWER_S = 0.9


@dataclass(frozen=True)
class Probe:
    """One try: when it was sent (seconds of the monotonic clock), whether it was answered."""

    sent_s: float
    answered: bool


def longest(probes: list[Probe]) -> float:
    """The longest time in seconds from an answered try to the next one with failures between; 0 without failures.

    Failures at the very beginning or end count from the first or to the last try.
    """
    found, last_answered, failed = 0.0, probes[0].sent_s if probes else 0.0, False
    for probe in probes:
        if not probe.answered:
            failed = True
            continue
        if failed:
            found = max(found, probe.sent_s - last_answered)
        last_answered, failed = probe.sent_s, False
    return max(found, probes[-1].sent_s - last_answered) if failed else found


class Watch:
    """Tries that are under way and those that are over, per address."""

    def __init__(self, addresses: list[str], port: int) -> None:
        self._port = port
        self._selector: Any = selectors.DefaultSelector()
        self.probes: dict[str, list[Probe]] = {address: [] for address in addresses}

    def run(self, every_s: float, limit_s: float, stop: str) -> None:
        """Until the file `stop` is there, at most `limit_s`."""
        end_s = time.monotonic() + limit_s
        next_s = time.monotonic()
        while time.monotonic() < end_s and not Path(stop).exists():
            for address in self.probes:
                self._send(address)
            next_s = max(next_s + every_s, time.monotonic())
            self._collect(next_s)
        self._collect(time.monotonic() + ANSWER_S)
        for key in list(self._selector.get_map().values()):
            self._end(key, answered=False)

    def _send(self, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sent_s = time.monotonic()
        connection.connect_ex((address, self._port))
        # a refusal or an unreachable network makes the socket ready too, with the error in it
        self._selector.register(connection, selectors.EVENT_WRITE, (address, sent_s))

    def _collect(self, until_s: float) -> None:
        while (left_s := until_s - time.monotonic()) > 0:
            for key, _events in self._selector.select(left_s):
                self._end(key, answered=key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0)
            if not self._selector.get_map():
                time.sleep(max(0.0, until_s - time.monotonic()))
        for key in list(self._selector.get_map().values()):
            if time.monotonic() - key.data[1] > ANSWER_S:
                self._end(key, answered=False)

    def _end(self, key: Any, *, answered: bool) -> None:
        address, sent_s = key.data
        self._selector.unregister(key.fileobj)
        key.fileobj.close()
        self.probes[address].append(Probe(sent_s, answered))

    def result(self) -> list[dict[str, Any]]:
        """Per address: tries, answers, and the longest time without one."""
        found = []
        for address, probes in self.probes.items():
            ordered = sorted(probes, key=lambda probe: probe.sent_s)
            answers = sum(probe.answered for probe in ordered)
            found.append(
                {"address": address, "tries": len(ordered), "answers": answers, "longest_s": round(longest(ordered), 3)}
            )
        return found

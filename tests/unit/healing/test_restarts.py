"""The standby's recorder is killed and started again: what its ring held is there, and a takeover writes it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import audit
from running import PASSWORD, USER, Simulator
from twins import AGENT, HERE, Twin, plan
from understudy.site.plan import Source


class Manager:
    """What systemd does for the recorder: keeps its descriptors, and hands them to the next process."""

    def __init__(self, root: Path) -> None:
        self._address = str(root / "notify")
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(self._address)
        self._told.setblocking(False)
        self.kept: dict[str, int] = {}

    def close(self) -> None:
        self._told.close()
        for descriptor in self.kept.values():
            os.close(descriptor)

    def listen(self) -> None:
        """Take what was said so far."""
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self._told, 1000, 1)
            except BlockingIOError:
                return
            fields = dict(line.split("=", 1) for line in message.decode().splitlines())
            if "FDSTORE" in fields:
                self.kept[fields["FDNAME"]] = descriptors[0]
            if "FDSTOREREMOVE" in fields:
                os.close(self.kept.pop(fields["FDNAME"]))

    def start(self, twin: Twin) -> None:
        """Start the recorder as systemd does: kept descriptors from 3 on, with their names."""
        self.listen()
        names, numbers = list(self.kept), [os.dup(number) for number in self.kept.values()]
        # The numbers are above those to be: no one is overwritten before it is moved.
        moves = " ".join(f"{3 + place}<&{number} {number}<&-" for place, number in enumerate(numbers))
        command = f'LISTEN_PID=$$ exec "$0" "$@" {moves}'
        environment = {
            **os.environ,
            "PYTHONPATH": str(AGENT),
            "NOTIFY_SOCKET": self._address,
            "LISTEN_FDS": str(len(names)),
            "LISTEN_FDNAMES": ":".join(names),
        }
        words = ["bash", "-c", command, sys.executable, str(HERE / "recorder_process.py"), str(twin.root)]
        twin.process = subprocess.Popen(words, env=environment, pass_fds=numbers)
        for number in numbers:
            os.close(number)


def test_the_ring_survives_the_recorder_and_a_takeover_has_what_it_held(camsim: Simulator, tmp_path: Path) -> None:
    url = f"rtsp://127.0.0.1:{camsim.port}/gate"
    twin = Twin(plan(tmp_path, Source(type="rtsp", url=url, username=USER, password=PASSWORD), "stby1"), tmp_path)
    manager = Manager(tmp_path)

    async def story() -> None:
        manager.start(twin)
        await twin.answer("assign", parts={"north": {"mode": "preroll"}})
        await twin.frames(100)
        held_s = (await twin.progress())["ring_s"]
        killed_s = time.time()
        twin.end(signal.SIGKILL)
        manager.start(twin)
        assert list(manager.kept) == ["ring.north/1"]
        await twin.frames(50)  # of the new connection
        assert (await twin.progress())["ring_s"] > held_s + 1
        await twin.answer("assign", parts={"north": {"mode": "record"}})
        await twin.frames(100)
        twin.end(signal.SIGTERM)
        manager.listen()
        assert not manager.kept
        found = audit.check(twin.files())
        assert len(found.missing) == 1  # from the crash to the reconnection
        first, last = found.missing[0]
        assert abs(first / 25 - killed_s) < 0.3
        assert found.first is not None
        assert first / 25 - found.first / 25 > held_s - 1.5
        assert last - first < 25 * 8
        assert not found.damaged

    try:
        asyncio.run(story())
    finally:
        if twin.process is not None:
            twin.process.kill()
            twin.process.wait()
        manager.close()

"""Two machines on one network, as network namespaces of this machine; needs root, else those tests are skipped."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest
from netns.machine import Machine, ip


@pytest.fixture
def machines() -> Iterator[tuple[Machine, Machine]]:
    """Machines a (198.18.31.11, fd00:31::11) and b (.12, ::12), joined by `lan0`."""
    names = [f"understudy-{os.getpid()}-{letter}" for letter in "ab"]
    try:
        for name in names:
            ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"network namespaces are not available here (root needed): {error}")
    try:
        ip("-n", names[0], "link", "add", "lan0", "type", "veth", "peer", "name", "lan0", "netns", names[1])
        for number, name in enumerate(names, 11):
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "address", "add", f"198.18.31.{number}/24", "dev", "lan0")
            ip("-n", name, "address", "add", f"fd00:31::{number}/64", "dev", "lan0", "nodad")
            ip("-n", name, "link", "set", "lan0", "up")
        yield Machine(names[0]), Machine(names[1])
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False, timeout=20)

"""Makes this directory importable (importlib mode adds none to the path), and gives the tests a running loop."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rig import Rig
from scripted import ScriptedCamera


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    thread = threading.Thread(target=rig.loop.run, args=(lambda _: None,))
    thread.start()
    yield rig
    rig.loop.call(rig.loop.stop)
    thread.join()
    rig.loop.close()


@pytest.fixture
def source() -> Iterator[ScriptedCamera]:
    with ScriptedCamera() as camera:
        yield camera

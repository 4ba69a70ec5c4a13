"""Makes the helpers of other tests importable, and gives the tests a camera."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from camsim import media

if TYPE_CHECKING:
    from running import Simulator

here = Path(__file__).parent
others = ("recorder_live", "recorder_store", "footage", "web", "lab")
sys.path[:0] = [str(here), *(str(here.parent / name) for name in others)]


@pytest.fixture(scope="session")
def camsim(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Simulator]":
    """A simulated camera `gate` with sound and a key frame each second."""
    from running import start

    clips = tmp_path_factory.mktemp("clips")
    media.make(media.Recipe("gate", gop=25, sound=True), clips, loop_s=2)
    with start(clips, cameras={"gate": {"path": "/gate", "media": "gate.clip"}}) as simulator:
        yield simulator

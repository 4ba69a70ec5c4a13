"""Makes the helpers beside the tests importable, and gives the tests short clips and a running simulator."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from camsim import media

sys.path.insert(0, str(Path(__file__).parent))

from running import Simulator, start

CLIP_S = 2


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with clips of two seconds: with sound, with two slices per picture, with short GOPs, in H.265."""
    directory = tmp_path_factory.mktemp("clips")
    media.make(media.Recipe("gate", gop=25, sound=True), directory, loop_s=CLIP_S)
    media.make(media.Recipe("ramp", gop=50, slices=2), directory, loop_s=CLIP_S)
    media.make(media.Recipe("door", gop=5), directory, loop_s=CLIP_S)
    media.make(media.Recipe("yard", gop=10, sound="pcmu", video="h265"), directory, loop_s=CLIP_S)
    media.make(media.Recipe("shed", gop=25, sound="pcma", video="h265"), directory, loop_s=CLIP_S)
    return directory


@pytest.fixture(scope="session")
def shared(clips: Path) -> Iterator[Simulator]:
    """One simulator for all tests that leave it as it was."""
    with start(clips) as simulator:
        yield simulator


@pytest.fixture
def camsim(clips: Path) -> Iterator[Simulator]:
    """A simulator of the test's own, impatient with slow and silent clients."""
    with start(clips, session_timeout_s=1, backlog_bytes=20_000, socket_buffer_bytes=8192) as simulator:
        yield simulator

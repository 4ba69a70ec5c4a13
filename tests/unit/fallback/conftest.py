"""Makes the helpers of other tests importable, and the agent to the processes that tests start."""

import sys
from pathlib import Path

import pytest
import understudy

here = Path(__file__).parent
sys.path[:0] = [str(here), *(str(here.parent / name) for name in ("lab", "recorder_live", "recorder_store"))]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release is installed; here it is a folder."""
    monkeypatch.setenv("PYTHONPATH", str(Path(understudy.__path__[0]).parent))

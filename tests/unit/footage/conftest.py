"""Makes the helpers beside the tests importable, and the real pictures and sound of the recorder's tests."""

import sys
from pathlib import Path

here = Path(__file__).parent
sys.path[:0] = [str(here), str(here.parent / "recorder_store")]

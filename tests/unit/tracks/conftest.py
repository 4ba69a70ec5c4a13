"""Makes the helpers of the recorder's and the web part's tests importable."""

import sys
from pathlib import Path

here = Path(__file__).parent
sys.path[:0] = [str(here.parent / name) for name in ("recorder_store", "recorder_live", "footage", "web")]

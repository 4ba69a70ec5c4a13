"""Makes the helpers of the footage tests importable."""

import sys
from pathlib import Path

here = Path(__file__).parent
sys.path[:0] = [str(here), str(here.parent / "footage"), str(here.parent / "recorder_store")]

"""Makes the helpers of the page's tests importable."""

import sys
from pathlib import Path

here = Path(__file__).parent
names = ("recorder_store", "footage", "web", "healing", "lab")
sys.path[:0] = [str(here), *(str(here.parent / name) for name in names)]

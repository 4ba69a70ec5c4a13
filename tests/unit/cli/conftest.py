"""Makes the helpers of the footage and web tests importable."""

import sys
from pathlib import Path

unit = Path(__file__).parent.parent
sys.path[:0] = [str(unit / name) for name in ("footage", "web", "recorder_store")]

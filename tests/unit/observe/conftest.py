"""Makes the helpers of the events, web and footage tests importable."""

import sys
from pathlib import Path

unit = Path(__file__).parent.parent
sys.path[:0] = [str(unit / name) for name in ("events", "footage", "web", "recorder_store")]
sys.path.insert(0, str(Path(__file__).parent))

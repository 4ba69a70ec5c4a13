"""Makes `media` importable: these tests run with pytest's importlib mode, which adds no directory to the path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

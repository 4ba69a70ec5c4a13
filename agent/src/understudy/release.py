"""Which release of the product runs."""

from __future__ import annotations

import sys
from pathlib import Path


def release() -> str:
    """Which release this process runs from: the name of its folder."""
    return Path(sys.prefix).resolve().name

"""The frame audit: from recordings alone, which pictures of a camera are there, twice, missing or damaged.

The pictures are those of `camsim`, which stamps each with a counter and a checksum. The audit reads MP4 by itself,
needs the standard library only (Python 3.11) and shares no code with the product: it can prove the product wrong.
"""

from audit.play import decodes
from audit.report import Audit, Damage, check, check_all, counters, sound

__all__ = ["Audit", "Damage", "check", "check_all", "counters", "decodes", "sound"]

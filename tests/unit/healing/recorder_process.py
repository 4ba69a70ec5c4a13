"""A recorder in a process of its own, to be killed: `python recorder_process.py DIRECTORY`; letters need no mounts."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from understudy.recorder import service
from understudy.recorder.segments import Store
from understudy.recorder.service import Places

if __name__ == "__main__":
    root = Path(sys.argv[1])
    service.Store = functools.partial(Store, require_mount=False)  # type: ignore[misc, assignment]
    sys.exit(service.main(Places(root / "plan.json", root / "state", root / "control.sock")))

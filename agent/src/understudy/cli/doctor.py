"""`understudy doctor`: every check of this server, and what to do."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket

from understudy.doctor import machine, work
from understudy.doctor.finding import Finding, document, exit_status, text
from understudy.doctor.look import look
from understudy.site.plan import PlanError, load


def doctor(options: argparse.Namespace) -> int:
    """All findings; 0, 1 or 2 as the worst of them is `ok`, `warn` or `FAIL`."""
    try:
        plan = load()
    except PlanError as error:
        who = "" if os.geteuid() == 0 else "Run this command as root. "
        advice = f"{who}Without a plan no service of this server works: run site.yml for it."
        findings, node = [Finding("FAIL", "plan", str(error), advice)], socket.gethostname()
    else:
        seen, node = asyncio.run(look(plan)), plan.node
        findings = [finding for check in (*machine.CHECKS, *work.CHECKS) for finding in check(seen)]
    print(json.dumps(document(node, findings)) if options.json else text(findings))
    return exit_status(findings)

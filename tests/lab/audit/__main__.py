"""The command: `python -m audit FILE… [--first N] [--last N] [--json]`; status 0 when nothing is amiss, else 1."""

from __future__ import annotations

import argparse
import json
import sys

from audit.report import Audit, check_all


def main(arguments: list[str] | None = None) -> int:
    """Print a verdict for each camera that the files hold."""
    parser = argparse.ArgumentParser("audit", description="Which pictures are in these recordings, and which are not.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--first", type=int, help="counter to start from (default: the first found)")
    parser.add_argument("--last", type=int, help="counter to end with (default: the last found)")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args(arguments)
    try:
        verdicts = check_all(told.files, told.first, told.last)
    except (OSError, ValueError) as error:
        print(f"audit: {error}", file=sys.stderr)
        return 1
    if not verdicts:
        print("audit: no pictures in these files", file=sys.stderr)
    if told.json:
        print(json.dumps({name: verdict.to_dict() for name, verdict in verdicts.items()}, indent=2))
    else:
        for name, verdict in verdicts.items():
            print("\n  ".join([f"{name or '(no camera)'}: {_summary(verdict)}", *_details(verdict)]))
    return 0 if verdicts and all(verdict.ok for verdict in verdicts.values()) else 1


def _summary(verdict: Audit) -> str:
    missing = sum(last - first + 1 for first, last in verdict.missing)
    twice = sum(last - first + 1 for first, last in verdict.duplicates)
    found = f"{verdict.count} pictures, {verdict.first} to {verdict.last}"
    return f"{found}: {missing} missing, {twice} duplicate, {len(verdict.damaged)} damaged"


def _details(verdict: Audit) -> list[str]:
    named = {"missing": verdict.missing, "duplicate": verdict.duplicates, "not decodable": verdict.undecodable}
    lines = [f"{what} {first}-{last}" for what, found in named.items() for first, last in found]
    lines += [f"goes back from {before} to {after}" for before, after in verdict.backwards]
    lines += [f"damaged {each.counter}: {each.reason} ({each.file})" for each in verdict.damaged]
    return lines + [f"torn: {file}" for file in verdict.torn]


if __name__ == "__main__":
    sys.exit(main())

"""``doctor``: looks at this machine and says in plain words what works, what does not, and what to do about it."""

from __future__ import annotations

import argparse
import sys

MARKS = {"ok": "ok   ", "note": "note ", "fail": "FAIL "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-backend", action="store_true", help="do not start a backend process for a trial")


def run(arguments: argparse.Namespace) -> int:
    from backend.commands.checks import CHECKS, try_backend

    checks = [*CHECKS] if arguments.no_backend else [*CHECKS, try_backend]
    failures = 0
    for check in checks:
        for finding in check():
            failures += finding.level == "fail"
            sys.stdout.write(f"{MARKS[finding.level]} {finding.text}\n")
            if finding.fix:
                sys.stdout.write(f"      -> {finding.fix}\n")
            sys.stdout.flush()
    if failures:
        sys.stdout.write(f"\n{failures} thing{'s' if failures > 1 else ''} to mend; the lines with -> say how.\n")
    else:
        sys.stdout.write("\nAll is well.\n")
    return 1 if failures else 0

"""Commands in processes forked from one that has loaded the backend: loading takes longer than most commands do."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import warnings
from multiprocessing.context import ForkServerContext
from pathlib import Path

LOADED = ["backend.commands.morph", "backend.commands.fit", "backend.pipeline", "backend.surface_fit"]
LIMIT = 110  # seconds for one command


def processes() -> ForkServerContext:
    """Where the processes come from; asked for again, it is the same one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    return context


def run_ready(
    arguments: list[str], folder: Path, environment: dict[str, str], said: Path
) -> subprocess.CompletedProcess[str]:
    """Runs ``tweenfield`` with ``arguments`` in ``folder``; what it writes goes through files beside ``said``."""
    out, errors = said.with_suffix(".out"), said.with_suffix(".err")
    process = processes().Process(target=_command, args=(arguments, folder, environment, out, errors))
    process.start()
    process.join(LIMIT)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise subprocess.TimeoutExpired(arguments, LIMIT, out.read_text(), errors.read_text())
    return subprocess.CompletedProcess(arguments, process.exitcode, out.read_text(), errors.read_text())


def _command(arguments: list[str], folder: Path, environment: dict[str, str], out: Path, errors: Path) -> None:
    from backend.cli import main

    os.chdir(folder)
    os.environ.update(environment)
    warnings.simplefilter("error")
    for path, stream in ((out, sys.stdout), (errors, sys.stderr)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), stream.fileno())
    sys.exit(main(arguments))

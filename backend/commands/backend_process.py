"""A backend process of our own for the time of a ``with`` block: started, found through its connection file, ended."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from backend.commands.parser import CommandError
from backend.environment import environment
from protocol.endpoint import Endpoint, read_connection_file

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0


@contextmanager
def own_backend(wait: Callable[[], None] = lambda: None) -> Iterator[Endpoint]:
    """Starts ``serve`` and gives its endpoint. Its jobs and its connection file are gone afterwards.

    ``wait`` is called while it starts, and may raise.
    """
    with tempfile.TemporaryDirectory(prefix="tweenfield-", ignore_cleanup_errors=True) as folder:
        process, log = start_backend(Path(folder))
        try:
            yield _endpoint(process, Path(folder) / "backend.json", log, wait)
        finally:
            _stop(process)


def start_backend(folder: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """Starts ``serve`` with its connection file, journal and log in ``folder``. It ends with this process."""
    log = folder / "backend.log"
    command = [sys.executable, "-m", "backend", "serve", "--connection-file", str(folder / "backend.json")]
    command += ["--journal", str(folder / "journal"), "--parent-pid", str(os.getpid())]
    with log.open("wb") as output:
        # A process group of its own: Ctrl-C is for the command, which then ends the backend in its own time.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    return process, log


def _endpoint(process: subprocess.Popen[bytes], path: Path, log: Path, wait: Callable[[], None]) -> Endpoint:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if path.exists():
            return read_connection_file(path)
        if process.poll() is not None:
            break
        wait()
        time.sleep(0.02)
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = lines[-1] if lines else "it said nothing"
    raise CommandError(f"the backend did not start: {said}; run tweenfield doctor")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the backend: asks, and after some time insists. Windows has no way to ask but the Shutdown message."""
    if sys.platform != "win32":
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

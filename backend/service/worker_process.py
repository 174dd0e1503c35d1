"""A worker process as the server sees it: started, spoken to, listened to, watched and killed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from backend.environment import environment
from backend.service.link import FromWorker, ToWorker, pack, read

_LOG_TAIL: Final = 4000  # bytes of the log that go into an error's detail


class WorkerProcess:
    """One worker process. ``deliver(number, message)`` is called from a thread; None says that the link has closed."""

    def __init__(
        self,
        number: int,
        device: str,
        threads: int | None,
        log: Path,
        deliver: Callable[[int, FromWorker | None], None],
    ) -> None:
        self._number = number
        self._deliver = deliver
        self._log = log
        command = [sys.executable, "-m", "backend.service.worker", "--device", device]
        command += ["--server-pid", str(os.getpid())] + ([] if threads is None else ["--threads", str(threads)])
        with open(log, "wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**environment(), "PYTHONUNBUFFERED": "1"},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        self._watched = psutil.Process(self._process.pid)
        threading.Thread(target=self._listen, name=f"worker-{number}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, message: ToWorker) -> None:
        """Says something to the worker; a worker that has died is noticed by its closed link, not here."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(pack(message))
            self._process.stdin.flush()

    def cpu_seconds(self) -> float:
        """CPU time used so far; it stands still in a stopped or blocked process."""
        try:
            times = self._watched.cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)

    def kill(self) -> None:
        """Kills the process and what it started. Returns at once; ``gone`` tells when it is over."""
        with contextlib.suppress(psutil.Error):
            for child in self._watched.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        self._process.kill()

    def gone(self) -> bool:
        """Whether the process has ended (and has been waited for, so that no zombie stays)."""
        return self._process.poll() is not None

    def wait(self, seconds: float) -> bool:
        """Waits for the end at most ``seconds``; says whether it came."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end_reason(self) -> str:
        """How the process ended, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.2)  # the link closes a moment before the process is gone
        code = self._process.returncode
        if code is None:
            return "its link closed"
        if code == -9:
            return "killed by signal 9, as systems do when memory runs out"
        return f"killed by signal {-code}" if code < 0 else f"exit status {code}"

    def log_tail(self) -> str:
        """The last lines the process wrote to its log."""
        try:
            return self._log.read_bytes()[-_LOG_TAIL:].decode(errors="replace")
        except OSError:
            return ""

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        try:
            while (message := read(stream)) is not None:
                self._deliver(self._number, message)  # type: ignore[arg-type]
        finally:
            self._deliver(self._number, None)

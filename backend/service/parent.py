"""The process the server was started for: when it ends, however it ends, so does the server."""

from __future__ import annotations

import psutil


class Parent:
    """Watches a process by its id and its start, so that a reused id is not taken for it."""

    def __init__(self, pid: int) -> None:
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except psutil.NoSuchProcess:
            self._process = None

    def alive(self) -> bool:
        """Whether it still runs; one that has ended and only waits to be collected does not."""
        if self._process is None:
            return False
        try:
            return bool(self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True

"""What the server wants of the job that runs: its end, or the end of its training. Written by the link's thread."""

from __future__ import annotations

from backend.service.link import Begin


class Wishes:
    """One worker runs one job at a time; a word about another job comes too late and is passed over."""

    def __init__(self) -> None:
        self._job = ""
        self._stopped = False
        self._hurried = False

    def begin(self, begin: Begin) -> None:
        """A new job: nothing is wanted of it but what comes with it."""
        self._job, self._stopped, self._hurried = begin.job, False, begin.hurry

    def stop(self, job: str) -> None:
        self._stopped |= job == self._job

    def hurry(self, job: str) -> None:
        self._hurried |= job == self._job

    def stopped(self) -> bool:
        """Whether the job is cancelled."""
        return self._stopped

    def hurried(self) -> bool:
        """Whether its training shall end."""
        return self._hurried

"""Ctrl-C in a long command: the first one asks it to stop and keep what is done, the second one ends it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

HELD_SECONDS = 1.0  # after a press that raised, in which the command cleans up behind itself


class Terminated(SystemExit):
    """SIGTERM: the command cleans up behind itself and ends with the usual status of a terminated program."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class Interrupt:
    """Catches Ctrl-C while it is entered. Outside the main thread nothing is caught.

    With ``at_once`` the first press ends the command, until ``next_part`` or ``orderly`` says that there is something
    to keep.
    """

    def __init__(self, note: Callable[[str], None], *, at_once: bool = False) -> None:
        self.asked = False  # whether Ctrl-C was pressed
        self.asked_again = False  # and once more, where that does not raise
        self._at_once = at_once
        self._orderly = False
        self._raised: float | None = None  # when the first press of this part raised, seconds
        self._note = note
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._on_interrupt)
            self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._on_terminate)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
        if self._raised is not None and isinstance(error, Exception):
            raise KeyboardInterrupt from error  # libraries that are stopped while they are loaded say something else

    def next_part(self, at_once: bool = False) -> bool:
        """Whether Ctrl-C was pressed in the part of the work that ends here.

        The next press counts for the next part; there the first one raises ``KeyboardInterrupt`` if ``at_once``.
        """
        asked, self.asked, self._at_once, self._raised = self.asked, False, at_once, None
        return asked

    @contextmanager
    def orderly(self) -> Iterator[None]:
        """For work that ends in order: the second press is only noted there, and the third one raises.

        There is something to keep from then on.
        """
        self._orderly, self._at_once = True, False
        try:
            yield
        finally:
            self._orderly = False

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._at_once:
            self._end_at_once()
        elif self.asked_again or (self.asked and not self._orderly):
            raise KeyboardInterrupt
        elif self.asked:
            self.asked_again = True
        else:
            self.asked = True
            self._note("stopping, and keeping what is done (Ctrl-C again: end at once)")

    def _end_at_once(self) -> None:
        """Raises, and notes it, since a library may swallow what is raised. A key held down is one press."""
        now = time.monotonic()
        if self._raised is not None and now - self._raised < HELD_SECONDS:
            return
        self.asked, self._raised = True, now
        raise KeyboardInterrupt

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        raise Terminated

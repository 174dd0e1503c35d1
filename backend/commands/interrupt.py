"""Ctrl-C in a long command: the first one asks it to stop and keep what is done, the second one ends it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType


class Terminated(SystemExit):
    """SIGTERM: the command cleans up behind itself and ends with the usual status of a terminated program."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class Interrupt:
    """Catches Ctrl-C while it is entered. Outside the main thread nothing is caught."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self.asked = False  # whether Ctrl-C was pressed
        self.asked_again = False  # and once more, where that does not raise
        self._at_once = False
        self._orderly = False
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

    def next_part(self, at_once: bool = False) -> bool:
        """Whether Ctrl-C was pressed in the part of the work that ends here.

        The next press counts for the next part; there the first one raises ``KeyboardInterrupt`` if ``at_once``.
        """
        asked, self.asked, self._at_once = self.asked, False, at_once
        return asked

    @contextmanager
    def orderly(self) -> Iterator[None]:
        """For work that ends in order: the second press is only noted there, and the third one raises."""
        self._orderly = True
        try:
            yield
        finally:
            self._orderly = False

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._at_once or self.asked_again or (self.asked and not self._orderly):
            raise KeyboardInterrupt
        if self.asked:
            self.asked_again = True
            return
        self.asked = True
        self._note("stopping, and keeping what is done (Ctrl-C again: end at once)")

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        raise Terminated

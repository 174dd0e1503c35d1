"""Progress on standard error: a bar that redraws itself in a terminal, plain lines everywhere else."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import Protocol

BAR_WIDTH = 24  # characters
REDRAW_SECONDS = 0.1  # in a terminal
LINE_SECONDS = 2.0  # between plain lines of one phase


class Stream(Protocol):
    """Where progress is written."""

    def isatty(self) -> bool: ...

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...


class Progress:
    """Shows phase, step, loss and time left of a job. Use it as a context manager, and call it with every step."""

    def __init__(self, stream: Stream | None = None) -> None:
        self._stream: Stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._phase = ""
        self._shown = 0.0
        self._open_line = False
        self._skipped = ""  # the newest line of the phase that was not written

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_line()

    def __call__(
        self, phase: str, step: int = 0, total: int = 0, loss: float | None = None, seconds_left: float | None = None
    ) -> None:
        now = time.monotonic()
        wait = REDRAW_SECONDS if self._terminal else LINE_SECONDS
        if phase != self._phase:
            self._end_line()
        elif now - self._shown < wait and not (self._terminal and step == total):
            self._skipped = "" if self._terminal else describe(phase, step, total, loss, seconds_left)
            return
        self._phase, self._shown, self._skipped = phase, now, ""
        text = describe(phase, step, total, loss, seconds_left)
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r" + text[:width].ljust(width))
            self._open_line = True
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def note(self, text: str) -> None:
        """A line of its own, above the bar."""
        self._end_line()
        self._stream.write(text + "\n")
        self._stream.flush()

    def _end_line(self) -> None:
        if self._open_line or self._skipped:
            self._stream.write(f"{self._skipped}\n")
            self._stream.flush()
        self._open_line, self._skipped = False, ""


def describe(phase: str, step: int, total: int, loss: float | None, seconds_left: float | None) -> str:
    """One line for one step, e.g. ``training  [######----]  250/1000  loss 0.0123  12 s left``."""
    parts = [phase.ljust(12)]
    if total > 0:
        filled = round(BAR_WIDTH * min(step / total, 1.0))
        parts.append(f"[{'#' * filled}{'-' * (BAR_WIDTH - filled)}]  {step}/{total}")
    elif step > 0:
        parts.append(f"step {step}")
    if loss is not None:
        parts.append(f"loss {loss:.3g}")
    if seconds_left is not None:
        parts.append(f"{duration(seconds_left)} left")
    return "  ".join(parts).rstrip()


def duration(seconds: float) -> str:
    """Seconds in words: ``8 s``, ``2 min 5 s``, ``1 h 3 min``."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

"""``Run``: what a method is given besides the pair: device, seed, time budget, progress, previews, cancellation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

PREVIEW_SHARE = 0.05  # of the training time, at most
ENDLESS = 1_000_000_000  # steps
SEEDS = 1_000_003  # between those of one run and the next


class Cancelled(Exception):
    """The job was cancelled; raised from ``Run.progress``."""


def _ignore_progress(phase: str, step: int, total: int, loss: float | None, seconds_left: float | None) -> None:
    pass


def _never() -> bool:
    return False


@dataclass
class Run:
    """One training run. Times are wall-clock seconds unless said otherwise."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seed: int = 0
    seconds: float | None = None  # budget of preparation and training together
    on_progress: Callable[[str, int, int, float | None, float | None], None] = _ignore_progress
    on_preview: Callable[[Any], None] | None = None  # given what the work makes: a Morph, or a field
    cancelled: Callable[[], bool] = _never
    warnings: list[str] = field(default_factory=list)
    phase_seconds: dict[str, tuple[float, float]] = field(default_factory=dict)  # phase -> (wall, CPU)
    said: list[str] = field(default_factory=list)  # what the artist is told besides warnings
    facts: dict[str, Any] = field(default_factory=dict)  # what is added to the report, of plain types

    def __post_init__(self) -> None:
        self._started = time.monotonic()
        self._phase = "preparing"
        self._phase_started = self._started
        self._within = (0.0, 0.0)  # seconds of wall and CPU of the phases that ended within this one
        self._preview_seconds = 0.0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Names a part of the work for progress and times it, without the parts within it, for the report."""
        outer, outer_started, around = self._phase, self._phase_started, self._within
        self._phase, self._phase_started = name, time.monotonic()
        self._within = (0.0, 0.0)
        wall, cpu = time.monotonic(), time.process_time()
        self.progress(0, 0)
        try:
            yield
        finally:
            spent = time.monotonic() - wall, time.process_time() - cpu
            before, within = self.phase_seconds.get(name, (0.0, 0.0)), self._within
            self.phase_seconds[name] = (before[0] + spent[0] - within[0], before[1] + spent[1] - within[1])
            self._within = (around[0] + spent[0], around[1] + spent[1])
            self._phase, self._phase_started = outer, outer_started

    def progress(self, step: int, total: int, loss: float | None = None) -> None:
        """Reports a step of the current phase (``total`` 0: not known). Raises ``Cancelled`` when the job is."""
        if self.cancelled():
            raise Cancelled
        self.on_progress(self._phase, step, total, loss, self._seconds_left_of_phase(step, total))

    def finish_now(self) -> None:
        """Spends the time budget: the method gives the best so far."""
        self.seconds = 0.0

    def seconds_left(self) -> float:
        """What is left of the time budget; infinite without one."""
        return float("inf") if self.seconds is None else self.seconds - (time.monotonic() - self._started)

    def steps(self, preset: int) -> int:
        """Presets stop by steps; with a time budget, time alone ends the training."""
        return preset if self.seconds is None else ENDLESS

    def generator(self, done: int) -> torch.Generator:
        """Chance for a training that goes on after ``done`` steps: not what it has had."""
        return torch.Generator().manual_seed(self.seed * SEEDS + done)

    @contextmanager
    def part(self, share: float) -> Iterator[None]:
        """Gives what is done inside ``share`` of the time that is left."""
        whole = self.seconds
        if whole is not None:
            self.seconds = whole - (1.0 - share) * max(self.seconds_left(), 0.0)
        inside = self.seconds
        yield
        if self.seconds == inside:  # nobody has asked to finish meanwhile
            self.seconds = whole

    def preview(self, make: Callable[[], Any]) -> None:
        """Offers a preview; ``make`` is called only when it keeps previews below their share of the time."""
        if self.on_preview is None:
            return
        now = time.monotonic()
        if self._preview_seconds > PREVIEW_SHARE * (now - self._started):
            return
        self.on_preview(make())
        self._preview_seconds += time.monotonic() - now

    def warn(self, message: str) -> None:
        """Adds a sentence for the artist to the report, once."""
        if message not in self.warnings:
            self.warnings.append(message)

    def _seconds_left_of_phase(self, step: int, total: int) -> float | None:
        if step <= 0 or total <= 0:
            return None
        spent = time.monotonic() - self._phase_started
        return min(spent / step * (total - step), max(self.seconds_left(), 0.0))

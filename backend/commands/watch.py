"""What a command's training tells of itself, and what Ctrl-C does to it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from backend.commands.interrupt import Interrupt
from backend.commands.progress import Progress
from backend.training.run import Run


class Watch:
    """Passes progress on, and turns Ctrl-C into the end of the training once there is something to keep."""

    def __init__(self, progress: Progress, interrupt: Interrupt, began: Callable[[], None] | None = None) -> None:
        self._progress = progress
        self._interrupt = interrupt
        self._began = began  # called after the first step
        self.trained = False  # whether a step is done
        self.run: Run | None = None

    def __call__(self, phase: str, step: int, total: int, loss: float | None, seconds_left: float | None) -> None:
        if not self.trained and loss is not None and step > 0:
            self.trained = True
            self._interrupt.next_part()
            if self._began is not None:
                self._began()
        if self._interrupt.asked and self.run is not None:
            self.run.finish_now()
        self._progress(phase, step, total, loss, seconds_left)

    def begin(self, device: torch.device, seed: int, seconds: float | None) -> Run:
        """The work that is watched. It is cancelled by Ctrl-C as long as there is nothing to keep."""
        self.run = Run(device=device, seed=seed, seconds=seconds, on_progress=self, cancelled=self.cancelled)
        return self.run

    def cancelled(self) -> bool:
        return self._interrupt.asked and not self.trained

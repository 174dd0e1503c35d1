"""The training loop: every network of the project is trained here.

It keeps the best state so far, leaves out updates whose gradient is not a number, and stops in time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from backend.device import flushed_denormals
from backend.training.adam import Adam
from backend.training.checkpoints import Checkpoints
from backend.training.run import Run
from backend.training.schedule import Schedule

MAX_SKIPPED = 50  # updates in a row


class TrainingError(RuntimeError):
    """The training gave nothing but gradients that are not numbers."""


@dataclass(frozen=True)
class Outcome:
    """What a training did; the module is left in its best state."""

    steps: int
    skipped: int  # updates left out because their gradient was not a number
    best_step: int
    best_loss: float
    seconds: float  # wall clock

    def facts(self, stage: str) -> dict[str, float | int | str | None]:
        """What the report says of it."""
        return {f"{stage}_steps": self.steps, f"{stage}_loss": self.best_loss}

    def model_facts(self) -> dict[str, float | int | None]:
        """What the file of a model says of it; no loss where there was no step."""
        return {"steps": self.steps, "loss": self.best_loss if self.best_step else None}


@dataclass
class _Best:
    """The best state seen, by the mean loss of the steps that led to it."""

    step: int = 0
    loss: float = math.inf
    state: dict[str, Tensor] | None = None

    def offer(self, module: nn.Module, step: int, loss: float) -> None:
        if loss < self.loss:
            self.step, self.loss = step, loss
            self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}


def train(
    module: nn.Module,
    loss_of_step: Callable[[int], Tensor],
    *,
    steps: int,
    schedule: Schedule,
    run: Run,
    reserve: float = 0.0,
    check_every: int = 50,
    preview: Callable[[], Any] | None = None,
    checkpoints: Checkpoints | None = None,
    optimiser_type: Callable[[list[nn.Parameter]], Adam] = Adam,
) -> Outcome:
    """Minimises ``loss_of_step(step)`` over the parameters of ``module``.

    Ends after ``steps``, or when all but ``reserve`` seconds of the run's time are spent, and then restores the state
    after the ``check_every`` steps with the lowest mean loss. ``run.progress`` is called every step and may raise
    ``Cancelled``; the state is then that of the last step. ``steps`` counts those that a checkpoint had done, too.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimiser = optimiser_type(parameters)
    started, left_at_start = time.monotonic(), run.seconds_left() - reserve
    best, recent = _Best(), list[float]()
    step = begun = 0 if checkpoints is None else checkpoints.begin(module, optimiser)
    skipped = skipped_in_a_row = 0
    while step < steps and run.seconds_left() > reserve:
        spent = (time.monotonic() - started) / left_at_start
        rate = schedule.rate(optimiser.updates, max(step / steps, spent))
        with flushed_denormals():
            loss = loss_of_step(step)
            gradients = list(torch.autograd.grad(loss, parameters, materialize_grads=True))
        step += 1
        if _finite(gradients):
            optimiser.step(gradients, rate)
            skipped_in_a_row = 0
            recent.append(loss.item())
        else:
            skipped, skipped_in_a_row = skipped + 1, skipped_in_a_row + 1
            if skipped_in_a_row >= MAX_SKIPPED:
                raise TrainingError(f"{MAX_SKIPPED} gradients in a row are not numbers; training cannot go on")
        if len(recent) >= check_every:
            best.offer(module, step, sum(recent) / len(recent))
            recent.clear()
        # Where time is what ends the training, the number of steps is an estimate.
        expected = min(steps, begun + round((step - begun) / spent)) if spent > 0.0 else steps
        run.progress(step, max(expected, step), loss.item())
        if preview is not None:
            run.preview(preview)
        if checkpoints is not None and step % checkpoints.every == 0:
            checkpoints.keep(step, module, optimiser)
    if checkpoints is not None and step > begun and step % checkpoints.every != 0:
        checkpoints.keep(step, module, optimiser)
    if recent and (len(recent) >= check_every // 2 or best.state is None):
        best.offer(module, step, sum(recent) / len(recent))
    if best.state is not None:
        module.load_state_dict(best.state)
    return Outcome(step, skipped, best.step, best.loss, time.monotonic() - started)


def _finite(gradients: list[Tensor]) -> bool:
    """Whether every gradient is a number. A sum of norms is one only if all its parts are."""
    return bool(torch.stack(torch._foreach_norm(gradients)).sum().isfinite())

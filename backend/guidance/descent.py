"""Going down a loss by steps of a known length, until it stops falling.

The direction is that of the gradient with momentum, and only its length is set: coefficients whose gradient is small
next to that of others are hardly moved, as what is far from every outline must be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from backend.geometry.arrays import Float64

MOMENTUM = 0.8
PATIENCE = 4  # steps without a lower loss, after which they are halved, from the best place so far
FALL = 0.999  # share of the lowest loss that counts as lower


@dataclass(frozen=True)
class Pace:
    """How long the steps are, and how many."""

    first: float  # length of a step
    last: float  # length below which there is none
    steps: int


def descend(
    start: Float64,
    evaluate: Callable[[Float64], tuple[float, Float64]],  # loss, and its gradient
    length: Callable[[Float64], float],  # of a step, as a length in space
    pace: Pace,
    go_on: Callable[[Float64, float], bool],  # at every step: the place and its loss
) -> Float64:
    """The place with the lowest loss that was met on the way from ``start``."""
    here, direction = start, 0.0 * start
    best, lowest, since = start, float("inf"), 0
    step = pace.first
    for _ in range(pace.steps):
        loss, gradient = evaluate(here)
        if loss < FALL * lowest:
            since = 0
        else:
            since += 1
        if loss < lowest:
            best, lowest = here, loss
        if not go_on(here, loss):
            break
        if since >= PATIENCE:
            step, since = step / 2.0, 0
            if step < pace.last:
                break
            here, direction = best, 0.0 * start
            continue
        direction = MOMENTUM * direction + (1.0 - MOMENTUM) * gradient
        reach = length(direction)
        if reach <= 0.0:
            break
        here = here - step / reach * direction
    return best

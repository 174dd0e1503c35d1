"""Carrying points along a field: one integration gives the position at every time between.

A field is integrated once on a fixed grid of times; between two grid times the path is the cubic through both
positions and velocities. The position at a time thus never depends on which other times are asked for, and many frames
cost no more passes through the network than a few.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.device import flushed_denormals
from backend.fields.derivatives import Field
from backend.flow.integrate import STEPS, step_time
from backend.flow.keyed_path import hermite

CHUNK = 8_192  # points at once: the layers of a network then stay inside the cache of a core


@dataclass(frozen=True, eq=False)
class Path:
    """The way of N points from ``start`` to ``end`` over K equal steps."""

    start: float
    end: float
    positions: Tensor  # [K + 1, N, 3]
    velocities: Tensor  # [K + 1, N, 3]

    def at(self, time: float) -> Tensor:
        """Positions [N, 3] at ``time``; at grid times exactly those of the integrator. Outside, the nearest end."""
        steps = len(self.positions) - 1
        along = min(max((time - self.start) / (self.end - self.start) * steps, 0.0), float(steps))
        index = min(int(along), steps - 1)
        s, dt = along - index, (self.end - self.start) / steps
        if s == 0.0 or s == 1.0:
            return self.positions[index + round(s)].clone()
        p, v = self.positions[index : index + 2], self.velocities[index : index + 2]
        return hermite(s, dt, p, v)


def advect(
    field: Field,
    points: Tensor,  # [N, 3], at time start
    *,
    start: float = 0.0,
    end: float = 1.0,
    steps: int = 16,
    method: str = "midpoint",
    chunk: int = CHUNK,
) -> Path:
    """The path of ``points``; ``end`` before ``start`` goes back in time.

    Cost: steps times 1, 2 or 4 passes, plus 1. No gradients.
    """
    if start == end or steps < 1:
        raise ValueError(f"a path needs some time and at least one step, not {start} to {end} in {steps} steps")
    advance, dt = STEPS[method], (end - start) / steps
    positions = points.new_empty((steps + 1, *points.shape))
    velocities = torch.empty_like(positions)
    with torch.inference_mode(), flushed_denormals():
        for first in range(0, len(points), chunk):
            part = slice(first, first + chunk)
            x = points[part]
            for index in range(steps + 1):
                time = step_time(start, end, steps, index)
                velocity = field(x, time)
                positions[index, part], velocities[index, part] = x, velocity
                if index < steps:
                    x = advance(field, x, time, dt, velocity)
    return Path(start, end, positions, velocities)

"""A motion known at equal steps of time; between two of them it is the cubic through positions and velocities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class KeyedPath:
    """Positions and velocities of W points at K + 1 times, uniform in 0..1."""

    positions: Tensor  # [K + 1, W, 3]
    velocities: Tensor  # [K + 1, W, 3], per unit of time

    @staticmethod
    def through(positions: Tensor) -> KeyedPath:
        """The path through ``positions`` [K + 1, W, 3], K >= 2; velocities by differences of second order."""
        dt = 1.0 / (len(positions) - 1)
        velocities = torch.empty_like(positions)
        velocities[1:-1] = (positions[2:] - positions[:-2]) / (2 * dt)
        velocities[0] = (-3 * positions[0] + 4 * positions[1] - positions[2]) / (2 * dt)
        velocities[-1] = (3 * positions[-1] - 4 * positions[-2] + positions[-3]) / (2 * dt)
        return KeyedPath(positions, velocities)

    def at(self, time: float) -> Tensor:
        """Positions [W, 3] at ``time`` in 0..1."""
        steps = len(self.positions) - 1
        index = min(int(time * steps), steps - 1)
        s = time * steps - index
        if s in (0.0, 1.0):
            return self.positions[index + int(s)]
        return hermite(s, 1.0 / steps, self.positions[index : index + 2], self.velocities[index : index + 2])


def hermite(s: float | Tensor, dt: float, positions: Tensor, velocities: Tensor) -> Tensor:
    """The cubic at share ``s`` of a step of length ``dt`` between two positions and velocities [2, ..., 3]."""
    blend: Tensor = (
        positions[0]
        + s * s * (3 - 2 * s) * (positions[1] - positions[0])
        + dt * (s * (s - 1) ** 2 * velocities[0] + s * s * (s - 1) * velocities[1])
    )
    return blend


def hermite_velocity(s: float | Tensor, dt: float, positions: Tensor, velocities: Tensor) -> Tensor:
    """The derivative in time of ``hermite``."""
    slope: Tensor = (
        6 * s * (1 - s) * (positions[1] - positions[0]) / dt
        + (s - 1) * (3 * s - 1) * velocities[0]
        + s * (3 * s - 2) * velocities[1]
    )
    return slope

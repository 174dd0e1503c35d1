"""The warp that brings a mesh's silhouettes to the masks, from coarse displacements to fine ones, with little stretch.

Outlines say nothing of what lies between them: without a price for stretch a leg that is far from where it is wanted is
drawn out of the few faces that are near.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from backend.geometry.arrays import Float64, Int64
from backend.geometry.triangles import box_around
from backend.guidance.descent import Pace, descend
from backend.guidance.lattice import Lattice
from backend.guidance.objective import ENOUGH, Objective
from backend.guidance.stretch import Stretch
from backend.guidance.view import CloseUp, pixel_length
from backend.guidance.warp import STEEPEST, Warp

LAST = 0.1  # pixels: the shortest step
REPEATS = 8  # of a level whose displacement has become as steep as it may be

Watch = Callable[[Float64, float], bool]  # at every step: the places [V, 3] and the loss; whether to go on


@dataclass(frozen=True)
class Level:
    """One size of what is moved."""

    cells: int  # of its lattice along the shape's longest side
    blur: int  # finest images that do not count
    first: float  # pixels: the first step


LEVELS = (
    Level(3, 3, 4.0),
    Level(5, 2, 3.0),
    Level(8, 1, 2.0),
    Level(8, 0, 2.0),
    Level(14, 0, 1.5),
    Level(24, 0, 1.0),
    Level(36, 0, 0.7),
)


@dataclass
class WarpFit:
    """The fit of a mesh with vertices [V, 3] and triangles [T, 3]."""

    positions: Float64
    triangles: Int64
    close_ups: Sequence[CloseUp]
    steps: int  # at most, in each level
    device: torch.device
    watch: Watch
    moves: list[Lattice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._places = self.positions
        self._faces = torch.as_tensor(self.triangles, device=self.device)
        self._pixel = pixel_length(self.close_ups, self.positions)
        self._size = float(np.ptp(self.positions, axis=0).max())
        self._stretch = Stretch(self.positions, self.triangles, self.device)
        self._done = False

    def fitted(self, levels: Sequence[Level] = LEVELS) -> Warp:
        """The warp of all levels, or of those that were needed."""
        for level in levels:
            for _ in range(REPEATS):
                full = self._fit(level)
                if self._done:
                    return Warp(tuple(self.moves))
                if not full:
                    break
        return Warp(tuple(self.moves))

    def _fit(self, level: Level) -> bool:
        """Adds one displacement; whether it ended because it had become as steep as it may be."""
        objective = Objective(self.close_ups, level.blur)
        places, cell, full = self._places, self._size / level.cells, False
        lattice = Lattice.over(*box_around(places, 0.5 * cell / self._size), cell, 3)
        weights = lattice.weights(places)  # [V, K]
        agreements: list[float] = []

        def steep(c: Float64) -> float:
            return steepness(c.T.reshape(lattice.coefficients.shape), cell)

        def evaluate(c: Float64) -> tuple[float, Float64]:
            moved = torch.as_tensor(places + weights @ c, device=self.device).requires_grad_()
            images = objective.images(moved, self._faces)
            loss = objective(images) + self._stretch(moved)
            (pull,) = torch.autograd.grad(loss, moved)
            agreements.append(objective.agreement([image.detach() for image in images]))
            return float(loss.detach()), np.asarray(weights.T @ pull.cpu().numpy())

        def go_on(c: Float64, loss: float) -> bool:
            nonlocal full
            full = steep(c) > STEEPEST
            self._done = not self.watch(places + weights @ c, loss) or agreements[-1] >= ENOUGH
            return not (full or self._done)

        def length(c: Float64) -> float:
            return float(np.linalg.norm(weights @ c, axis=1).max())

        pace = Pace(level.first * self._pixel, LAST * self._pixel, self.steps)
        best = descend(np.zeros((weights.shape[1], 3)), evaluate, length, pace, go_on)
        if best.any():
            best = best * STEEPEST / max(steep(best), STEEPEST)  # the last step may have gone too far
            self.moves.append(lattice.with_coefficients(best.T))
            self._places = places + self.moves[-1].at(places)
        return full


def steepness(coefficients: Float64, cell: float) -> float:
    """About the largest derivative of the functions with coefficients [C, X, Y, Z], the norm of all at one place."""
    total = np.zeros(coefficients.shape[1:])
    for axis in (1, 2, 3):
        steps = np.diff(coefficients, axis=axis, append=0.0)
        total += (steps * steps).sum(axis=0)
    return float(np.sqrt(total.max())) / cell

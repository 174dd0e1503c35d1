"""Two solids laid into each other: shifted and scaled, not turned, until they share as much volume as they can."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.optimize import minimize

from backend.geometry.arrays import Float64
from backend.geometry.normalise import Similarity
from backend.geometry.repair import WorkingMesh
from backend.geometry.sides import INSIDE, winding_numbers

CELLS = 40  # along the longest side of each solid
TRIES = 200  # placements that are measured, at most
FIRST_STEP = 0.3  # of the size, and of the logarithm of the scale
PRECISION = 1e-2  # of the same
SCALE_REACH = float(np.log(1.6))  # by which the scale may leave its start


@dataclass(frozen=True, eq=False)
class _Solid:
    """Which cells of a grid are inside."""

    inside: Float64  # [X, Y, Z], 1 inside
    low: Float64  # [3], place of the first cell
    cell: float
    points: Float64  # [N, 3], of the cells inside

    @staticmethod
    def of(positions: Float64, surface: WorkingMesh) -> _Solid:
        low, high = positions.min(axis=0), positions.max(axis=0)
        cell = float((high - low).max()) / CELLS
        axes = [np.arange(a - cell, b + 2 * cell, cell) for a, b in zip(low, high, strict=True)]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)  # [X, Y, Z, 3]
        inside = np.abs(winding_numbers(points.reshape(-1, 3), positions, surface.triangles)) > INSIDE
        shape = points.shape[:3]
        return _Solid(inside.reshape(shape).astype(np.float64), low - cell, cell, points.reshape(-1, 3)[inside])

    @property
    def volume(self) -> float:
        return len(self.points) * self.cell**3

    def at(self, points: Float64) -> Float64:
        """Share [N] of the inside at each of ``points`` [N, 3]."""
        return np.asarray(map_coordinates(self.inside, ((points - self.low) / self.cell).T, order=1))


def most_overlap(source: WorkingMesh, target: WorkingMesh, start: Similarity) -> Similarity:
    """``start``, which takes the target onto the source, shifted and scaled to the largest intersection over union.

    Nelder and Mead's search (1965), which needs no derivatives. Without a volume in either, ``start`` as it is.
    """
    a = _Solid.of(source.positions, source)
    turned = Similarity(start.rotation, 1.0, np.zeros(3))
    b = _Solid.of(turned.apply(target.positions), target)
    if not len(a.points) or not len(b.points):
        return start
    middle, size = b.points.mean(axis=0), float(np.linalg.norm(a.points.std(axis=0))) or 1.0
    place = start.scale * middle + start.translation  # where the target's middle comes to lie

    def placed(step: Float64) -> tuple[float, Float64]:
        return start.scale * float(np.exp(np.clip(step[3], -SCALE_REACH, SCALE_REACH))), place + size * step[:3]

    def missed(step: Float64) -> float:
        scale, at = placed(step)
        shared = float(a.at(scale * (b.points - middle) + at).sum()) * (scale * b.cell) ** 3
        return -shared / (a.volume + scale**3 * b.volume - shared)

    simplex = np.concatenate([np.zeros((1, 4)), FIRST_STEP * np.eye(4)])
    options = {"initial_simplex": simplex, "maxfev": TRIES, "xatol": PRECISION, "fatol": PRECISION**2}
    found = minimize(missed, simplex[0], method="Nelder-Mead", options=options)
    scale, at = placed(found.x)
    return Similarity(start.rotation, scale, at - scale * middle)

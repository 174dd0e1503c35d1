"""Smooth functions of space on a lattice: cubic B-splines, nothing beyond their box.

Twice continuously differentiable; where the lattice ends they have faded to 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.ndimage import correlate1d, map_coordinates, spline_filter

from backend.geometry.arrays import Float32, Float64

RIM = 2  # outermost coefficients on every side, which are 0

SPARE = 1.1  # times the largest slope that is met: it may be larger between the places that are looked at
TRIED = 500  # places with the largest derivatives, where the longest stretch most likely is

# Weights of the neighbours for a value and for a derivative: at a coefficient's place, and half a cell before it.
TAPS = (
    (np.array([1.0, 4.0, 1.0]) / 6.0, np.array([-1.0, 0.0, 1.0]) / 2.0),
    (np.array([1.0, 23.0, 23.0, 1.0]) / 48.0, np.array([-1.0, -5.0, 5.0, 1.0]) / 8.0),
)


@dataclass(frozen=True, eq=False)
class Lattice:
    """C functions at once. Places are relative to the origin of the morph's source."""

    low: Float64  # [3], place of the first coefficient
    cell: float  # distance of neighbouring coefficients
    coefficients: Float32  # [C, X, Y, Z]

    @staticmethod
    def over(low: Float64, high: Float64, cell: float, count: int) -> Lattice:
        """Of ``count`` functions that are 0, and can be anything in the box from ``low`` to ``high`` [3]."""
        x, y, z = (int(number) + 2 * RIM + 2 for number in np.ceil((high - low) / cell))
        return Lattice(low - (RIM + 0.5) * cell, cell, np.zeros((count, x, y, z), np.float32))

    def with_coefficients(self, coefficients: Float64) -> Lattice:
        """Another function on the same lattice; the rim stays 0."""
        kept = np.zeros(self.coefficients.shape, np.float32)
        inner = (slice(None), *(slice(RIM, -RIM),) * 3)
        kept[inner] = coefficients.reshape(kept.shape)[inner]
        return Lattice(self.low, self.cell, kept)

    def through(self, samples: Float64) -> Lattice:
        """The function with the values ``samples`` [C, X, Y, Z] at the places of the coefficients."""
        return self.with_coefficients(np.stack([spline_filter(one, order=3) for one in samples]))

    def nodes(self) -> Float64:
        """Places [X Y Z, 3] of the coefficients."""
        axes = [np.arange(size) for size in self.coefficients.shape[1:]]
        return np.asarray(self.low + self.cell * np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3))

    def at(self, points: Float64) -> Float64:
        """The functions [N, C] at points [N, 3]."""
        where = ((points - self.low) / self.cell).T
        found = [
            map_coordinates(one, where, output=np.float64, order=3, mode="constant", prefilter=False)
            for one in self.coefficients
        ]
        return np.stack(found, axis=1)

    def along(self, axis: int, places: Float64) -> Float64:
        """How much each layer of coefficients across an axis counts at ``places`` [N] along it: [N, K]."""
        size = self.coefficients.shape[1 + axis]
        place = (places - self.low[axis]) / self.cell
        first = np.floor(place).astype(np.int64) - 1
        found = np.zeros((len(places), size))
        for step, part in enumerate(_cubic(place - first - 1).T):
            at = first + step
            free = np.flatnonzero((at >= RIM) & (at < size - RIM))
            found[free, at[free]] = part[free]
        return found

    def weights(self, points: Float64) -> sparse.csr_matrix:
        """How much each coefficient counts at points [N, 3]: [N, X Y Z]; nothing of the rim."""
        sizes = np.array(self.coefficients.shape[1:])
        place = (points - self.low) / self.cell
        first = np.floor(place).astype(np.int64) - 1
        parts = [_cubic(place[:, k] - first[:, k] - 1) for k in range(3)]  # [N, 4] each
        at = [first[:, k, None] + np.arange(4) for k in range(3)]
        free = [(at[k] >= RIM) & (at[k] < sizes[k] - RIM) for k in range(3)]
        x, y, z = (np.where(free[k], parts[k], 0.0) for k in range(3))
        i, j, k = (np.clip(at[axis], 0, sizes[axis] - 1) for axis in range(3))
        number = (i[:, :, None, None] * sizes[1] + j[:, None, :, None]) * sizes[2] + k[:, None, None, :]
        share = x[:, :, None, None] * y[:, None, :, None] * z[:, None, None, :]
        rows = np.arange(0, 64 * len(points) + 1, 64)
        shape = (len(points), int(sizes.prod()))
        return sparse.csr_matrix((share.reshape(-1), number.reshape(-1), rows), shape=shape)

    def slopes(self) -> Float64:
        """Derivatives [M, C, 3] at the coefficients' places and in the middles between eight of them."""
        found = []
        for values, derivatives in TAPS:
            parts = []
            for one in self.coefficients:
                for axis in range(3):
                    part = one.astype(np.float64)
                    for across in range(3):
                        taps = derivatives if across == axis else values
                        part = correlate1d(part, taps, across, mode="constant")
                    parts.append(part.reshape(-1) / self.cell)
            found.append(np.stack(parts, axis=1).reshape(-1, len(self.coefficients), 3))
        return np.concatenate(found)

    @cached_property
    def steepest(self) -> float:
        """No shorter than the gradient of a single function, anywhere."""
        return SPARE * float(np.linalg.norm(self.slopes()[:, 0], axis=1).max(initial=0.0))

    @cached_property
    def stretch(self) -> float:
        """No less than how much longer x + f(x) can make a short step, of three functions f; at least 1."""
        slopes = self.slopes()
        reach = 1.0 + np.linalg.norm(slopes, axis=(1, 2))  # what it can be at most
        first = reach >= np.partition(reach, -TRIED)[-TRIED] if len(reach) > TRIED else reach > 0.0
        found = _longest(slopes[first])
        return max(SPARE * max(found, _longest(slopes[~first & (reach > found)])), 1.0)


def _longest(slopes: Float64) -> float:
    """Of the steps that derivatives [M, 3, 3] of a displacement make of those of length 1."""
    return float(np.linalg.norm(np.eye(3) + slopes, 2, axis=(1, 2)).max(initial=0.0))


def _cubic(share: Float64) -> Float64:
    """Weights [N, 4] of the four coefficients around a place that is ``share`` [N] beyond the second."""
    s = share[:, None]
    r = 1.0 - s
    return np.asarray(np.concatenate([r**3, 4 - 3 * s**2 * (2 - s), 4 - 3 * r**2 * (2 - r), s**3], axis=1) / 6.0)

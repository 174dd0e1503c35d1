"""Pairs of a shape and one of other proportions, in another pose and on another mesh, and what belongs together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.spatial import cKDTree

from backend.commands.bench.isometric import KnownPair, decimated
from backend.geometry.arrays import Float64
from protocol.mesh import MeshData

FACES: Final = 9000  # of the shape that has grown


@dataclass(frozen=True)
class Growth:
    """How the target of a pair is made another shape; heights are parts of its own."""

    name: str
    pair: str
    up: int  # axis
    legs: tuple[float, float]  # height up to which they reach, and their factor
    trunk: tuple[float, float, float, float]  # heights between which it begins and ends
    wider: tuple[float, float]  # its factors along the other two axes

    def __call__(self, positions: Float64) -> Float64:
        """Other positions [V, 3]."""
        low, size = positions.min(axis=0), np.ptp(positions, axis=0)
        height = (positions[:, self.up] - low[self.up]) / size[self.up]
        top, factor = self.legs
        grown = positions.copy()
        grown[:, self.up] = low[self.up] + size[self.up] * (height + (factor - 1.0) * np.minimum(height, top))
        first, full, last, none = self.trunk
        inside = _rise((height - first) / (full - first)) * (1.0 - _rise((height - last) / (none - last)))
        for axis, wider in zip([k for k in range(3) if k != self.up], self.wider, strict=True):
            middle = low[axis] + 0.5 * size[axis]
            grown[:, axis] = middle + (positions[:, axis] - middle) * (1.0 + (wider - 1.0) * inside)
        return grown


GROWTHS: Final = (
    Growth("a stout man with short legs", "michael_remeshed", 2, (0.48, 0.62), (0.4, 0.55, 0.82, 0.9), (1.55, 1.55)),
    Growth("an elephant on long legs", "elephant, pose to turn", 1, (0.35, 1.6), (0.25, 0.4, 2.0, 3.0), (0.6, 1.3)),
)


def of_other_proportions(pairs: Sequence[KnownPair]) -> Iterator[KnownPair]:
    """Both directions of what can be made of ``pairs``, near-isometric ones."""
    known = {pair.name: pair for pair in pairs}
    for growth in GROWTHS:
        if pair := known.get(growth.pair):
            there = growth(pair.target.positions())
            positions, faces = decimated(there, pair.target.triangles().astype(np.int64), FACES)
            nearest = cKDTree(positions).query(there[pair.truth[:, 1]])[1]
            truth, grown = np.stack([pair.truth[:, 0], nearest], axis=1), MeshData.from_triangles(positions, faces)
            yield KnownPair(growth.name, pair.source, grown, truth)
            yield KnownPair(f"{growth.name}, back", grown, pair.source, truth[:, ::-1])


def _rise(x: Float64) -> Float64:
    """From 0 to 1, smoothly."""
    part = np.clip(x, 0.0, 1.0)
    return np.asarray(part * part * (3.0 - 2.0 * part))

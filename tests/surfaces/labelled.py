"""Datasets of shapes whose distance is a formula: a torus in space, a ring and a rod with round ends in the plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Float64
from backend.geometry.shape import UnitFrame
from backend.surfaces.dataset import Dataset

MAJOR, MINOR = 0.6, 0.3  # of torus and ring
HALF, RADIUS = 0.6, 0.25  # of the rod: half its straight part, and its ends
SHARE = HALF / (HALF + np.pi * RADIUS / 2)  # of its outline that is straight


@dataclass(frozen=True)
class Labelled:
    """One of these shapes: ``torus``, ``ring`` or ``rod``."""

    name: str

    @property
    def dimension(self) -> int:
        return 3 if self.name == "torus" else 2

    def distances(self, points: Float64) -> Float64:
        """Signed distance [N] of points [N, D]."""
        if self.name == "rod":
            along = np.clip(points[:, 0], -HALF, HALF)
            return np.asarray(np.hypot(points[:, 0] - along, points[:, 1]) - RADIUS)
        around = np.linalg.norm(points[:, :2], axis=1) - MAJOR
        return np.asarray(np.hypot(around, points[:, 2] if self.name == "torus" else 0.0) - MINOR)

    def on(self, count: int, rng: np.random.Generator) -> tuple[Float64, Float64]:
        """Points and outward normals [count, D]."""
        turn, roll = rng.uniform(0.0, 2.0 * np.pi, (2, count))
        out = np.stack([np.cos(turn), np.sin(turn), np.zeros(count)], axis=1)
        if self.name == "rod":
            straight = rng.random(count) < SHARE
            normals = np.where(straight[:, None], [0.0, 1.0] * np.sign(out[:, 1:2]), out[:, :2])
            middle = np.where(straight, rng.uniform(-HALF, HALF, count), HALF * np.sign(out[:, 0]))
            return RADIUS * normals + middle[:, None] * [1.0, 0.0], normals
        if self.name == "ring":
            roll = np.pi * (roll > np.pi)
        normals = np.cos(roll)[:, None] * out + np.sin(roll)[:, None] * [0.0, 0.0, 1.0]
        points = MAJOR * out + MINOR * normals
        return points[:, : self.dimension], normals[:, : self.dimension]

    def dataset(self, mode: str, count: int = 6000) -> Dataset:
        """Of mode dist or sal."""
        rng = np.random.default_rng(0)
        on, normals = self.on(count // 2, rng)
        near = on + rng.normal(0.0, 0.05, on.shape)
        points = np.concatenate([near, rng.uniform(-1.2, 1.2, (count // 2, self.dimension))])
        arrays = {"points": points, "distances": self.distances(points)}
        if mode == "sal":
            arrays |= {"on": on, "normals": normals, "distances": np.abs(arrays["distances"])}
        side = np.full(self.dimension, 0.9)
        return Dataset(mode, UnitFrame(np.zeros(self.dimension), 1.0), -side, side, arrays)

    def places(self) -> tuple[Float64, Float64]:
        """Points [N, D] all over the box and their distances [N]."""
        points = np.random.default_rng(1).uniform(-1.1, 1.1, (4000, self.dimension))
        return points, self.distances(points)


TORUS, RING, ROD = Labelled("torus"), Labelled("ring"), Labelled("rod")

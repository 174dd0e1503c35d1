"""How much of a target lies under the source that was posed on it."""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.distance import closest_on_surface
from backend.geometry.repair import WorkingMesh
from backend.geometry.sampling import sample_surface
from backend.geometry.triangles import diagonal

SAMPLES = 5000  # points of the target's surface that are looked at
SEED = 0  # of them
NEAR = 0.01  # of the target's diagonal: what lies farther from the posed source is not covered


def uncovered_share(target: WorkingMesh, posed: Float64, triangles: Int64) -> float:
    """Share of the target's area that the source, posed on it [W, 3], does not cover."""
    points = sample_surface(target.positions, target.triangles, SAMPLES, np.random.default_rng(SEED))[0]
    distance = closest_on_surface(points, posed, triangles)[0]
    return float((distance > NEAR * diagonal(target.positions, target.triangles)).mean())

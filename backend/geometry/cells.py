"""Points sorted into the cells of a grid."""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float64, Int64


def cells_of(points: Float64, low: Float64, side: float) -> Int64:
    """The number [N] of the cubic cell that each of points [N, D] is in; cells without points have none."""
    corners = np.floor((points - low) / side).astype(np.int64)
    return np.asarray(np.unique(corners, axis=0, return_inverse=True)[1].reshape(-1), np.int64)


def means_of(points: Float64, cells: Int64) -> Float64:
    """The means [M, D] of the points [N, D] of each cell; ``cells`` [N] as from ``cells_of``."""
    sums = np.stack([np.bincount(cells, column) for column in points.T], axis=1)
    return np.asarray(sums / np.bincount(cells)[:, None])


def cell_means(points: Float64, low: Float64, side: float) -> Float64:
    """The means [M, D] of the points [N, D] that share a cubic cell."""
    return means_of(points, cells_of(points, low, side))

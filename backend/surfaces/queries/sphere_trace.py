"""Rays against a level of a field, by sphere tracing (Hart, The Visual Computer 1996).

Every step is as long as the field says that nothing is nearer. A bounded network never says more than the distance to
its own level (Coiffier and Bethune, SGP 2024), so no ray steps through it; the values of others are divided by the
slope of the field, which is as right as that figure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Flags, Float64, Int64
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.lattice import Check, lattice_for
from protocol.settings import SettingError

STEPS = 256  # of a ray, at most
CLOSE = 1e-4  # of the diagonal: as near to the level as a hit is
ROUNDING = 1e-6  # of the diagonal: values that far beyond the level are not overstepping
BOX = 16  # cells of the box that rays are followed in


@dataclass(frozen=True, eq=False)
class Trace:
    """Where rays end."""

    hit: Flags  # [N]
    distance: Float64  # [N], object space, along the ray; to where it left the box for those that miss
    steps: Int64  # [N], values asked for
    overstepped: Flags  # [N], the field was asked on the far side of the level


def sphere_trace(
    field: DistanceField,
    origins: Float64,  # [N, 3], object space
    directions: Float64,  # [N, 3], unit length
    *,
    level: float | None = None,  # default: that of the surface
    close: float = CLOSE,
    start: Float64 | None = None,  # [N], object space: nothing is nearer along the rays
    spread: Float64 | float = 0.0,  # [N], half the angle of a beam around the ray, radians
    check: Check | None = None,
) -> Trace:
    """Follows rays until the field is within ``close`` (of the diagonal) of ``level``, or out of the level's box.

    Rays may start on either side. One that is not there after 256 steps, as along a plane, counts as a miss. A ray with
    a ``spread`` ends where the level may be anywhere across its beam: all rays within may start there (cone marching).
    """
    if field.dimension != 3:
        raise SettingError("the field is of curves in the plane; rays are for surfaces in space")
    level = field.level if level is None else level
    lattice = lattice_for(field, [level], BOX)
    near, far = _through(lattice.low, lattice.low + lattice.cell * lattice.counts, origins, directions)
    distance = near.copy() if start is None else np.maximum(near, start)
    spread = np.broadcast_to(spread, len(origins))
    hit = np.zeros(len(origins), bool)
    overstepped = np.zeros(len(origins), bool)
    steps = np.zeros(len(origins), np.int64)
    side = np.zeros(len(origins))
    rows = np.flatnonzero(far > distance)
    for _ in range(STEPS):
        if not len(rows):
            break
        if check is not None:
            check()
        values = field.values(origins[rows] + distance[rows, None] * directions[rows]) - level
        steps[rows] += 1
        new = side[rows] == 0.0
        side[rows[new]] = np.where(values[new] < 0.0, -1.0, 1.0)
        free = side[rows] * values  # how far nothing is
        overstepped[rows] |= free < -ROUNDING * field.diagonal
        arrived = free <= close * field.diagonal + field.slope * spread[rows] * distance[rows]
        free = free / field.slope - spread[rows] * distance[rows]
        hit[rows[arrived]] = True
        rows, free = rows[~arrived], free[~arrived]
        distance[rows] += free / (1.0 + spread[rows])
        rows = rows[distance[rows] < far[rows]]
    distance[~hit] = np.maximum(far, 0.0)[~hit]
    return Trace(hit, distance, steps, overstepped)


def _through(low: Float64, high: Float64, origins: Float64, directions: Float64) -> tuple[Float64, Float64]:
    """Where rays enter and leave a box [N], not before their origins; the ends cross for those that pass it by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (low - origins) / directions, (high - origins) / directions
    # A ray along a side: within the slab or beside it for its whole length.
    still = directions == 0.0
    between = (origins >= low) & (origins <= high)
    enter = np.where(still, np.where(between, -np.inf, np.inf), np.minimum(a, b))
    leave = np.where(still, np.where(between, np.inf, -np.inf), np.maximum(a, b))
    return np.maximum(enter.max(axis=1), 0.0), leave.min(axis=1)

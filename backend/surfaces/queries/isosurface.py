"""Levels of a field in 3D as closed triangle meshes: marching cubes where the level can be, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.isosurface import Grid, extract
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.lattice import Check, Remembered, lattice_for
from protocol.settings import SettingError

Surface = tuple[Float64, Int64]  # positions [V, 3], object space, and triangles [T, 3], normals towards higher values


def isosurface(field: DistanceField, level: float, resolution: int, *, check: Check | None = None) -> Surface:
    """Where the field is ``level`` (object-space length), closed, all its parts; empty where it is so nowhere.

    ``resolution``: cells along the longest side of the shape's box. ``check`` is called between batches and may raise.
    """
    return isosurfaces(field, [level], resolution, check=check)[0]


def isosurfaces(
    field: DistanceField, levels: Sequence[float], resolution: int, *, check: Check | None = None
) -> list[Surface]:
    """The surfaces of several levels, on one grid: what one level asks of the field the others do not ask again.

    Blocks of cells are passed over whose value, with the slope of the field, is too far from the level. With a bounded
    network that is exact: |f(x) - f(y)| <= |x - y| (Coiffier and Bethune, SGP 2024), so no part is missed that marching
    every cell would have found.
    """
    if field.dimension != 3:
        raise SettingError("the field is of curves in the plane; ask for a contour, not for an isosurface")
    lattice = lattice_for(field, levels, resolution)
    values = Remembered(field, lattice, check)
    x, y, z = (int(count) for count in lattice.counts)
    grid = Grid(lattice.low, lattice.cell, (x, y, z))
    return [_extracted(values, level, grid, field.slope) for level in levels]


def _extracted(values: Remembered, level: float, grid: Grid, slope: float) -> Surface:
    positions, triangles = extract(lambda points: values(points) - level, grid, slope=slope)
    return np.asarray(positions), triangles

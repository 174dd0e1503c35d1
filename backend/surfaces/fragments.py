"""Specks that a network leaves beside the closed surface of a shape, told from the parts that the shape has."""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.distance import closest_on_surface
from backend.geometry.isosurface import of_faces, without_fragments
from backend.geometry.repair import working_mesh
from backend.geometry.shape import Shape
from backend.geometry.triangles import part_areas, smallest_share
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.isosurface import Surface, isosurface
from backend.surfaces.queries.lattice import Check
from protocol.mesh import MeshData

LARGEST = 0.01  # of the area: no larger part is a speck
OF_SMALLEST = 0.25  # of the share of the mesh's smallest part: its surface may be fitted smaller, others have two faces
OF_POINTS = 0.25  # of the points that a part of a cloud's surface would have, were they spread evenly


def whole_surface(field: DistanceField, shape: Shape | None, resolution: int, check: Check | None = None) -> Surface:
    """The surface itself of a field in space, as it is given out: without specks where it is closed around a shape."""
    surface = isosurface(field, field.level, resolution, check=check)
    return without_specks(*surface, shape) if field.signed and shape is not None else surface


def without_specks(positions: Float64, triangles: Int64, shape: Shape) -> tuple[Float64, Int64]:
    """The surface of a signed field, without the connected parts that its shape in space does not have.

    Of a mesh those go that are smaller than any of its own, of a cloud small ones that hardly a point is nearest to.
    """
    if shape.triangles is not None:
        return without_fragments(positions, triangles, speck_share(shape.points, shape.triangles))
    area, part = part_areas(positions, triangles)
    if shape.segments is not None or np.count_nonzero(area) < 2:
        return positions, triangles
    share = area / area.sum()
    _, nearest, _ = closest_on_surface(shape.points, positions, triangles)
    points = np.bincount(part[nearest], minlength=len(area)) / len(shape.points)
    return of_faces(positions, triangles[((share >= LARGEST) | (points >= OF_POINTS * share))[part]])


def speck_share(points: Float64, triangles: Int64) -> float:
    """Connected parts of the surface of a mesh, points [N, 3], with less than this share of its area are specks."""
    mesh = working_mesh(MeshData.from_triangles(points, triangles), "the shape")
    return min(LARGEST, OF_SMALLEST * smallest_share(mesh.positions, mesh.triangles))

"""Specks that a network leaves beside the closed surface of a mesh, told from the parts that the mesh has."""

from __future__ import annotations

from backend.geometry.repair import working_mesh
from backend.geometry.shape import Shape
from backend.geometry.triangles import smallest_share
from protocol.mesh import MeshData

LARGEST = 0.01  # of the area: no larger part is a speck
OF_SMALLEST = 0.25  # of the share of the mesh's smallest part: its surface may be fitted smaller, others have two faces


def speck_share(shape: Shape) -> float:
    """Connected parts of the surface with less than this share of its area are specks.

    0 for lines and points: nobody knows how many parts these have.
    """
    if shape.triangles is None:
        return 0.0
    mesh = working_mesh(MeshData.from_triangles(shape.points, shape.triangles), "the shape")
    return min(LARGEST, OF_SMALLEST * smallest_share(mesh.positions, mesh.triangles))

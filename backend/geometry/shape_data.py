"""``Shape`` of a ``ShapeData``: what came over the wire, as it is computed with."""

from __future__ import annotations

import numpy as np

from backend.geometry.shape import Shape
from protocol.mesh import MeshData
from protocol.shape import ShapeData


def shape_of(data: ShapeData) -> Shape:
    """The shape in the space of the data; polygons are cut into triangles."""
    triangles = None
    if data.face_offsets is not None and data.face_indices is not None:
        triangles = MeshData(data.points, data.face_offsets, data.face_indices).triangles().astype(np.int64)
    return Shape(
        data.positions(),
        None if data.normals is None else data.normals.astype(np.float64),
        triangles,
        None if data.segments is None else data.segments.astype(np.int64),
    )

"""``ShapeData``: what a surface is fitted to, as it travels: a mesh, lines, or a cloud of points."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.mesh import Float32, Float64, Int32, MeshError, check_faces, frame_for


@dataclass(frozen=True, eq=False)
class ShapeData:
    """Points and what joins them: faces, segments, or nothing. The place of a point is ``origin + scale * points[i]``.

    Origin and scale are as those of ``MeshData``.
    """

    points: Float32  # [N, 3], relative to origin and scale
    normals: Float32 | None = None  # [N, 3], outwards, of any length but 0
    face_offsets: Int32 | None = None  # [F + 1], with face_indices: a mesh
    face_indices: Int32 | None = None  # [C]
    segments: Int32 | None = None  # [S, 2]: lines
    origin: Float64 = field(default_factory=lambda: np.zeros(3))  # [3]
    scale: float = 1.0

    @staticmethod
    def from_positions(positions: NDArray[np.floating[Any]], **others: Any) -> ShapeData:
        """Chooses origin and scale so that float32 loses nothing worth keeping of ``positions`` [N, 3]."""
        positions = np.asarray(positions, np.float64).reshape(-1, 3)
        origin, scale = frame_for(positions)
        points = np.ascontiguousarray((positions - origin) / scale, np.float32)
        return ShapeData(points, origin=origin, scale=scale, **others)

    @property
    def kind(self) -> str:
        """``mesh``, ``lines`` or ``cloud``."""
        if self.face_offsets is not None:
            return "mesh"
        return "cloud" if self.segments is None else "lines"

    @property
    def n_faces(self) -> int:
        return 0 if self.face_offsets is None else len(self.face_offsets) - 1

    def positions(self) -> Float64:
        """Where the points are [N, 3]."""
        return self.origin + self.scale * self.points.astype(np.float64)


def check_shape_structure(shape: ShapeData) -> None:
    """Raises ``MeshError`` unless the arrays fit together. Says nothing of the geometry."""
    count = len(shape.points)
    if shape.points.ndim != 2 or shape.points.shape[1] != 3:
        raise MeshError(f"points have shape {list(shape.points.shape)}; it must be [N, 3]")
    if shape.normals is not None and shape.normals.shape != (count, 3):
        raise MeshError(f"normals have shape {list(shape.normals.shape)}; it must be [{count}, 3], one for each point")
    if shape.origin.shape != (3,) or not np.isfinite(shape.origin).all():
        raise MeshError("the origin must be three finite numbers")
    if not (math.isfinite(shape.scale) and shape.scale > 0.0):
        raise MeshError(f"the scale is {shape.scale}; it must be above 0 and finite")
    if (shape.face_offsets is None) != (shape.face_indices is None):
        raise MeshError("faces need both offsets and indices, or neither")
    if shape.face_offsets is not None and shape.face_indices is not None:
        check_faces(shape.face_offsets, shape.face_indices, count)
    if shape.segments is not None:
        if shape.face_offsets is not None:
            raise MeshError("there are faces and segments; a shape has one of them, or neither")
        if shape.segments.ndim != 2 or shape.segments.shape[1] != 2:
            raise MeshError(f"segments have shape {list(shape.segments.shape)}; it must be [S, 2]")
        ends = shape.segments
        if len(ends) and (int(ends.min()) < 0 or int(ends.max()) >= count):
            bad = int(np.flatnonzero(((ends < 0) | (ends >= count)).any(axis=1))[0])
            raise MeshError(f"segment {bad} joins points {ends[bad].tolist()}; the shape has points 0 to {count - 1}")

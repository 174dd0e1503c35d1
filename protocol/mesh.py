"""``MeshData``: the one polygon mesh that travels between Blender, the backend and files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]


class MeshError(ValueError):
    """A mesh that cannot be used; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True, eq=False)
class MeshData:
    """A polygon mesh. The position of a vertex, in object space, is ``origin + scale * vertices[i]``.

    The float64 origin and the power-of-two scale let float32 vertices keep full relative precision for a mesh that
    is tiny or far from the origin. For ordinary meshes they are 0 and 1, and ``vertices`` are the positions.
    """

    vertices: Float32  # [V, 3], relative to origin and scale
    face_offsets: Int32  # [F + 1], face f has corners face_offsets[f] .. face_offsets[f + 1] - 1
    face_indices: Int32  # [C], vertex of each corner
    origin: Float64 = field(default_factory=lambda: np.zeros(3))  # [3], object space
    scale: float = 1.0  # object-space units per unit of ``vertices``; a power of two
    attributes: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)  # [V, ...] or [C, ...], by name

    @staticmethod
    def from_positions(
        positions: NDArray[np.floating],  # [V, 3], object space
        face_offsets: NDArray[np.integer],
        face_indices: NDArray[np.integer],
        attributes: Mapping[str, NDArray[np.generic]] | None = None,
    ) -> MeshData:
        """Chooses origin and scale so that float32 loses nothing worth keeping of ``positions``."""
        positions = np.asarray(positions, np.float64).reshape(-1, 3)
        origin, scale = frame_for(positions)
        return MeshData(
            vertices=np.ascontiguousarray((positions - origin) / scale, np.float32),
            face_offsets=np.ascontiguousarray(face_offsets, np.int32),
            face_indices=np.ascontiguousarray(face_indices, np.int32),
            origin=origin,
            scale=scale,
            attributes=dict(attributes or {}),
        )

    @property
    def n_vertices(self) -> int:
        return len(self.vertices)

    @property
    def n_faces(self) -> int:
        return len(self.face_offsets) - 1

    def positions(self) -> Float64:
        """Vertex positions [V, 3] in object space."""
        return self.origin + self.scale * self.vertices.astype(np.float64)

    def with_positions(self, positions: NDArray[np.floating]) -> MeshData:
        """The same faces and attributes at other positions [V, 3] (object space), in this mesh's origin and scale."""
        relative = (np.asarray(positions, np.float64) - self.origin) / self.scale
        return replace(self, vertices=np.ascontiguousarray(relative, np.float32))

    def triangles(self) -> Int32:
        """Triangles [T, 3]: every polygon cut into a fan around its first corner."""
        sizes = np.diff(self.face_offsets)
        counts = np.maximum(sizes - 2, 0)
        first = np.repeat(self.face_offsets[:-1], counts)
        step = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        corners = np.stack([first, first + step + 1, first + step + 2], axis=1)
        return np.ascontiguousarray(self.face_indices[corners], np.int32)


def frame_for(positions: Float64) -> tuple[Float64, float]:
    """Origin [3] and power-of-two scale for ``MeshData``: 0 and 1 unless float32 would lose detail with them."""
    finite = positions[np.isfinite(positions).all(axis=1)] if len(positions) else positions
    if not len(finite):
        return np.zeros(3), 1.0
    low, high = finite.min(axis=0), finite.max(axis=0)
    extent = float((high - low).max())
    if extent <= 0.0:
        return np.zeros(3), 1.0
    far = float(np.abs(finite).max()) > 64.0 * extent
    exponent = math.frexp(extent)[1]
    scale = 2.0**exponent if far or not -16 <= exponent <= 32 else 1.0
    # A multiple of the scale, so that the subtraction of the origin is exact.
    origin = np.round((low + high) / 2 / scale) * scale if far else np.zeros(3)
    return origin, scale

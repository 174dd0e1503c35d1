"""``MeshData``: the one polygon mesh that travels between Blender, the backend and files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

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
        positions: NDArray[np.floating[Any]],  # [V, 3], object space
        face_offsets: NDArray[np.integer[Any]],
        face_indices: NDArray[np.integer[Any]],
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

    @staticmethod
    def from_triangles(
        positions: NDArray[np.floating[Any]],  # [V, 3], object space
        triangles: NDArray[np.integer[Any]],  # [T, 3]
        attributes: Mapping[str, NDArray[np.generic]] | None = None,
    ) -> MeshData:
        """``from_positions`` where all faces are triangles."""
        return MeshData.from_positions(positions, 3 * np.arange(len(triangles) + 1), triangles.reshape(-1), attributes)

    @property
    def n_vertices(self) -> int:
        return len(self.vertices)

    @property
    def n_faces(self) -> int:
        return len(self.face_offsets) - 1

    def positions(self) -> Float64:
        """Vertex positions [V, 3] in object space."""
        return self.origin + self.scale * self.vertices.astype(np.float64)

    def with_positions(self, positions: NDArray[np.floating[Any]]) -> MeshData:
        """The same faces and attributes at other positions [V, 3] (object space), in this mesh's origin and scale."""
        relative = (np.asarray(positions, np.float64) - self.origin) / self.scale
        return replace(self, vertices=np.ascontiguousarray(relative, np.float32))

    def same_faces(self, other: MeshData) -> bool:
        """Whether both meshes have as many vertices and the same faces on them."""
        return (
            self.n_vertices == other.n_vertices
            and np.array_equal(self.face_offsets, other.face_offsets)
            and np.array_equal(self.face_indices, other.face_indices)
        )

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
    if extent <= 0.0:  # one point: the origin itself, unless float32 can say where it is
        with np.errstate(over="ignore"):
            exact = bool((low.astype(np.float32) == low).all())
        return np.zeros(3) if exact else low, 1.0
    far = float(np.abs(finite).max()) > 64.0 * extent
    exponent = math.frexp(extent)[1]
    scale = 2.0**exponent if far or not -16 <= exponent <= 32 else 1.0
    # A multiple of the scale, so that the subtraction of the origin is exact.
    origin = np.round((low + high) / 2 / scale) * scale if far else np.zeros(3)
    return origin, scale


def check_structure(mesh: MeshData) -> None:
    """Raises ``MeshError`` unless shapes, offsets and indices fit together. Says nothing of the geometry."""
    n_vertices, n_corners = len(mesh.vertices), len(mesh.face_indices)
    if mesh.vertices.ndim != 2 or mesh.vertices.shape[1] != 3:
        raise MeshError(f"vertices have shape {list(mesh.vertices.shape)}; it must be [V, 3]")
    if mesh.origin.shape != (3,) or not np.isfinite(mesh.origin).all():
        raise MeshError("the origin must be three finite numbers")
    if not (math.isfinite(mesh.scale) and mesh.scale > 0.0):
        raise MeshError(f"the scale is {mesh.scale}; it must be above 0 and finite")
    check_faces(mesh.face_offsets, mesh.face_indices, n_vertices)
    for name, values in mesh.attributes.items():
        if values.ndim < 1 or len(values) not in (n_vertices, n_corners):
            raise MeshError(
                f"attribute {name!r} has shape {list(values.shape)}; its first number must be that of the vertices, "
                f"{n_vertices}, or of the face corners, {n_corners}"
            )


def check_faces(offsets: Int32, indices: Int32, n_vertices: int) -> None:
    """Raises ``MeshError`` unless ``offsets`` [F + 1] and ``indices`` [C] describe polygons of ``n_vertices``."""
    if offsets.ndim != 1 or indices.ndim != 1 or len(offsets) < 1:
        raise MeshError("face offsets [F + 1] and face indices [C] must be lists, and offsets start with a 0")
    if offsets[0] != 0 or offsets[-1] != len(indices):
        raise MeshError(f"face offsets run from {offsets[0]} to {offsets[-1]}; they must run from 0 to {len(indices)}")
    falls = np.flatnonzero(offsets[1:] < offsets[:-1])
    if len(falls):
        raise MeshError(f"the offset of face {falls[0] + 1} is smaller than that of the face before")
    if len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= n_vertices):
        corner = int(np.flatnonzero((indices < 0) | (indices >= n_vertices))[0])
        face = int(np.searchsorted(offsets, corner, side="right")) - 1
        raise MeshError(f"face {face} names vertex {indices[corner]}; the mesh has vertices 0 to {n_vertices - 1}")

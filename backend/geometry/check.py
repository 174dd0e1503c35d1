"""What must hold of a mesh before anything is computed on it; every fault is a ``MeshError`` that names its place."""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Int64, Integers, Reals
from protocol.mesh import MeshData, MeshError

LARGEST_COORDINATE = 1e30  # squares and products of lengths stay in range


def check_mesh(mesh: MeshData, name: str) -> None:
    """Raises ``MeshError`` unless ``mesh`` (called ``name`` in the message) is a finite surface."""
    check_surface(mesh.vertices, mesh.face_offsets, mesh.face_indices, name)


def check_surface(
    positions: Reals,  # [V, 3]
    offsets: Integers,  # [F + 1]
    indices: Integers,  # [C]
    name: str,
) -> None:
    """Raises ``MeshError`` for no vertices, no faces, broken faces, bad indices, NaN and infinity."""
    if not len(positions):
        raise MeshError(f"{name}: there are no vertices; choose an object or a file with a surface")
    if len(offsets) < 2:
        raise MeshError(
            f"{name}: there are no faces, only {count(len(positions), 'vertex', 'vertices')}; a morph needs a surface, "
            "so export or model it with faces"
        )
    _check_faces(np.asarray(offsets, np.int64), indices, len(positions), name)
    finite = np.isfinite(positions).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        what = "NaN" if np.isnan(positions[bad]).any() else "infinite"
        raise MeshError(
            f"{name}: {count(len(bad), 'vertex has', 'vertices have')} a coordinate that is {what} "
            f"({numbered(bad)}, counted from 0); move or delete them, or export again"
        )

    largest = float(np.abs(positions).max())
    if largest > LARGEST_COORDINATE:
        raise MeshError(
            f"{name}: a coordinate is as large as {largest:.3g}; beyond {LARGEST_COORDINATE:g} lengths cannot be "
            "computed, so scale the mesh down"
        )


def _check_faces(offsets: Int64, indices: Integers, n_vertices: int, name: str) -> None:
    sizes = np.diff(offsets)
    if offsets[0] != 0 or offsets[-1] != len(indices) or (sizes < 0).any():
        raise MeshError(f"{name}: the face table is damaged (its offsets do not fit its corners); export it again")
    if (sizes < 3).any():
        face = int(np.flatnonzero(sizes < 3)[0])
        raise MeshError(
            f"{name}: face {face} (counted from 0) has {count(int(sizes[face]), 'corner', 'corners')}; a face needs "
            "three or more, so delete it or export again"
        )
    bad = (indices < 0) | (indices >= n_vertices)
    if bad.any():
        corner = int(np.flatnonzero(bad)[0])
        face = int(np.searchsorted(offsets, corner, side="right")) - 1
        n_bad = len(np.unique(np.searchsorted(offsets, np.flatnonzero(bad), side="right")))
        raise MeshError(
            f"{name}: {count(n_bad, 'face refers', 'faces refer')} to vertices that do not exist: face {face} uses "
            f"vertex {int(indices[corner])}, but there are {n_vertices} (both counted from 0); the file is incomplete "
            "or damaged, so export it again"
        )


def count(n: int, one: str, many: str) -> str:
    """``n`` with the right noun."""
    return f"{n} {one if n == 1 else many}"


def numbered(numbers: Integers) -> str:
    """The first few of ``numbers`` in words."""
    shown = ", ".join(str(int(n)) for n in numbers[:5])
    return f"number {shown}" if len(numbers) == 1 else f"numbers {shown}" + (", ..." if len(numbers) > 5 else "")

"""``working_mesh``: the clean triangle surface that computations run on. The artist's own mesh is never changed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import igl
import numpy as np

from backend.geometry.arrays import Flags, Float64, Int64
from backend.geometry.check import check_mesh, count
from backend.geometry.edges import Edges, edges_of
from backend.geometry.triangles import SMALLEST_AREA, areas, diagonal, signed_volumes
from protocol.mesh import MeshData, MeshError


@dataclass(frozen=True, eq=False)
class WorkingMesh:
    """A welded, consistently oriented triangle mesh without useless faces, and how it belongs to the artist's."""

    positions: Float64  # [W, 3], object space relative to ``origin``
    triangles: Int64  # [T, 3]
    vertex_map: Int64  # [V], working vertex of every vertex of the mesh; -1: not part of the surface
    warnings: tuple[str, ...]  # what was repaired or is worth knowing, in plain sentences
    origin: Float64 = field(default_factory=lambda: np.zeros(3))  # [3], of the mesh, object space

    def first_vertices(self) -> Int64:
        """For each working vertex [W] the first vertex of the mesh that became it."""
        number = np.zeros(len(self.positions), np.int64)
        places = np.flatnonzero(self.vertex_map >= 0)[::-1]
        number[self.vertex_map[places]] = places
        return number


def working_mesh(mesh: MeshData, role: str) -> WorkingMesh:
    """The surface of ``mesh`` (called ``role`` in sentences). Raises ``MeshError`` where there is none."""
    check_mesh(mesh, role)
    positions = mesh.scale * mesh.vertices.astype(np.float64)
    triangles = mesh.triangles().astype(np.int64)
    said: list[str] = []
    stray = mesh.n_vertices - len(np.unique(triangles))
    triangles = _without_flat(positions, triangles, role, said)
    welded, triangles = _weld(positions, triangles)
    apart = int((welded != np.arange(len(welded))).sum())
    if apart:
        said.append(
            f"{role}: {count(apart, 'vertex', 'vertices')} at the place of another on an open edge joined with it"
        )
        triangles = _without_flat(positions, triangles, role, said)
    triangles = _without_doubles(triangles, role, said)
    triangles = _oriented(positions, triangles, role, said)
    if stray:
        said.append(
            f"{role}: {count(stray, 'vertex', 'vertices')} without a face carried along, but no part of the shape"
        )
    used, compact = np.unique(triangles, return_inverse=True)
    number = np.full(mesh.n_vertices, -1, np.int64)
    number[used] = np.arange(len(used))
    return WorkingMesh(
        positions=np.ascontiguousarray(positions[used]),
        triangles=np.ascontiguousarray(compact.reshape(-1, 3), np.int64),
        vertex_map=number[welded],
        warnings=tuple(said),
        origin=mesh.origin,
    )


def working_pair(source: MeshData, target: MeshData) -> tuple[WorkingMesh, WorkingMesh]:
    """The surfaces of both meshes, relative to the origin of the source. Raises ``MeshError`` where there is none."""
    surface = working_mesh(source, "source")
    return surface, beside(surface, working_mesh(target, "target"))


def beside(source: WorkingMesh, other: WorkingMesh) -> WorkingMesh:
    """The other surface relative to the source's origin."""
    return replace(other, positions=other.positions + (other.origin - source.origin), origin=source.origin)


def _without_flat(positions: Float64, triangles: Int64, role: str, said: list[str]) -> Int64:
    """Leaves out faces without area, as the metrics do."""
    size = diagonal(positions, triangles)
    area = areas(positions, triangles)
    flat = area <= SMALLEST_AREA * size * size
    if flat.all():
        raise MeshError(
            f"{role}: no face has an area, so there is no surface; check the scale and the shape of the mesh"
        )
    if flat.any():
        n = count(int(flat.sum()), "face", "faces")
        said.append(f"{role}: {n} without area left out of the computation, not of the result")
        triangles = triangles[~flat]
    return triangles


def _weld(positions: Float64, triangles: Int64) -> tuple[Int64, Int64]:
    """Joins vertices on open edges that lie at exactly the same place.

    Only open edges are sewn: surfaces that merely touch, such as closed lips, stay two surfaces.
    """
    edges = edges_of(triangles)
    number = np.arange(len(positions))
    loose = np.unique(edges.ends[edges.open])
    if not len(loose):
        return number, triangles
    at = positions[loose] + 0.0  # no negative zeros
    order = np.lexsort(at.T)
    new = np.concatenate([np.ones(1, bool), (np.diff(at[order], axis=0) != 0).any(axis=1)])
    group = np.cumsum(new) - 1
    lowest = np.full(group[-1] + 1, len(positions))
    np.minimum.at(lowest, group, loose[order])
    number[loose[order]] = lowest[group]
    return number, number[triangles]


def _without_doubles(triangles: Int64, role: str, said: list[str]) -> Int64:
    """Leaves out all but the first of the faces over the same three vertices."""
    low, middle, high = np.sort(triangles, axis=1).T
    key = low * (int(triangles.max()) + 1) + middle
    order = np.lexsort((np.arange(len(key)), high, key))
    again = np.zeros(len(triangles), bool)
    again[order[1:]] = (key[order[1:]] == key[order[:-1]]) & (high[order[1:]] == high[order[:-1]])
    if again.any():
        n = count(int(again.sum()), "duplicate face", "duplicate faces")
        said.append(f"{role}: {n} left out of the computation, not of the result")
        triangles = triangles[~again]
    return triangles


def _oriented(positions: Float64, triangles: Int64, role: str, said: list[str]) -> Int64:
    """Turns faces so that neighbours agree; says what else is unusual about the surface."""
    edges = edges_of(triangles)
    crowded = int(edges.crowded.sum())
    if crowded:
        said.append(f"{role}: {count(crowded, 'edge', 'edges')} with three or more faces; check the result there")
    if edges.inconsistent.any():
        turned, n_turned = _turn(positions, triangles)
        edges = edges_of(turned)
        if edges.inconsistent.any():
            said.append(
                f"{role}: the surface is one-sided (like a Moebius strip), so inside and outside are not defined"
            )
        if n_turned:
            n = count(n_turned, "face", "faces")
            said.append(f"{role}: {n} turned like the neighbours for the computation, not in the result")
        triangles = turned
    _say_openness(positions, triangles, edges, role, said)
    return triangles


def _turn(positions: Float64, triangles: Int64) -> tuple[Int64, int]:
    """Consistent orientation of every patch that lacks one, and how many faces were turned.

    A closed patch is turned outwards; an open one keeps the side that most of its area had.
    """
    oriented, patch = igl.bfs_orient(np.ascontiguousarray(triangles))
    patch = np.asarray(patch).reshape(-1)
    changed = (oriented != triangles).any(axis=1)
    n_patches = int(patch.max()) + 1
    touched = np.bincount(patch, changed, n_patches) > 0
    area = areas(positions, triangles)
    turned_area = np.bincount(patch, area * changed, n_patches)
    reverse = turned_area > np.bincount(patch, area, n_patches) / 2
    volume = np.bincount(patch, signed_volumes(positions, oriented), n_patches)
    closed = _closed_patches(oriented, patch, n_patches)
    reverse = np.where(closed, volume < 0, reverse) & touched
    oriented[reverse[patch]] = oriented[reverse[patch]][:, ::-1]
    # A turned face has its corners in another cyclic order, which the sign of the permutation tells.
    now = _cyclic(oriented)
    return np.ascontiguousarray(oriented), int((now != _cyclic(triangles)).sum())


def _closed_patches(triangles: Int64, patch: Int64, n_patches: int) -> Flags:
    """Which patches have no open edge [n_patches]."""
    closed = np.ones(n_patches, bool)
    edges = edges_of(triangles)
    loose = np.zeros(int(triangles.max()) + 1, bool)
    loose[edges.ends[edges.uses != 2]] = True
    closed[patch[loose[triangles].any(axis=1)]] = False
    return closed


def _cyclic(triangles: Int64) -> Flags:
    """One of the two orientations each triangle [T] has, told by where its vertices rise."""
    a, b, c = triangles.T
    return np.asarray(((a < b).astype(int) + (b < c) + (c < a)) == 2)


def _say_openness(positions: Float64, triangles: Int64, edges: Edges, role: str, said: list[str]) -> None:
    n_open = int(edges.open.sum())
    if n_open:
        said.append(
            f"{role}: the surface is open ({count(n_open, 'edge', 'edges')} with a single face), so it has no volume"
        )
    elif edges.closed and not edges.inconsistent.any():
        volume = float(signed_volumes(positions, triangles).sum())
        if volume < 0:
            said.append(f"{role}: its normals point inwards; it is morphed as it is (Recalculate Outside mends it)")

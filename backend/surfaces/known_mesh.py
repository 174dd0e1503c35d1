"""``KnownMesh``: distances to a mesh, signed where it has an inside, whatever the mesh is like."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backend.geometry.arrays import Flags, Float64, Int64
from backend.geometry.check import count as counted
from backend.geometry.edges import edges_of
from backend.geometry.repair import working_mesh
from backend.geometry.sampling import SurfaceSampler
from backend.geometry.shape import LONGEST
from backend.geometry.sides import Sides, sides_of, turned_faces
from backend.geometry.signed_distance import Distance, SignedSurface
from backend.geometry.triangles import area_vectors, diagonal, unit
from backend.surfaces.known_shape import KnownShape
from protocol.mesh import MeshData

BEFORE = 1e-4  # of the diagonal: as far before a face a point must be outside for the face to be part of the surface
ROUNDS = 20  # of sampling, at most: inner walls can hide most of the faces


class KnownMesh(KnownShape):
    """Triangles [T, 3] over positions [V, 3] in the unit frame, welded and oriented as ``working_mesh`` does.

    Inside of closed parts is what they enclose, and distances are exact. The winding number closes the holes of open
    parts that plainly have an inside; distances near such holes are estimates. Parts without an inside count as shells
    where other parts have one. A mesh of nothing else has no inside, and distances are those to its faces.
    """

    dimension = 3

    def __init__(self, positions: Float64, triangles: Int64, *, inside: bool = True) -> None:
        surface = working_mesh(MeshData.from_triangles(positions, triangles), "the shape")
        self._given = positions, triangles
        positions, triangles = surface.positions + surface.origin, surface.triangles
        self.said: tuple[str, ...] = ()
        self._shell: Flags | None = None  # [F], of the faces that are sampled: sheets that became shells
        self.signed, self.exact = False, True
        if inside:
            sides = sides_of(positions, triangles)
            self.said = _told(sides, triangles)
            if (sides.facing != 0).any():
                self._distance: Callable[[Float64], Float64] = SignedSurface(positions, triangles, sides)
                triangles = turned_faces(triangles, sides.facing)[~sides.buried]
                self._shell = (sides.facing == 0)[~sides.buried]
                self._thickness = sides.thickness
                self.signed, self.exact = True, not sides.holes
        if not self.signed:
            bare = Distance(positions, triangles)
            self._distance = lambda points: bare(points)[0]
        self._normals = unit(area_vectors(positions, triangles))  # [F, 3]
        self._before = BEFORE * diagonal(positions, triangles)
        self._sample = SurfaceSampler(positions, triangles)

    def on_surface(self, count: int, rng: np.random.Generator) -> tuple[Float64, Float64 | None]:
        if self._shell is None:
            return self._sample(count, rng)[0], None
        points, directions = np.zeros((0, 3)), np.zeros((0, 3))
        for _ in range(ROUNDS):
            found, face, _ = self._sample(count, rng)
            # A shell has two faces, half its thickness on either side.
            shell = self._shell[face]
            normal = np.where(shell, rng.choice([-1.0, 1.0], count), 1.0)[:, None] * self._normals[face]
            found = found + np.where(shell, self._thickness / 2, 0.0)[:, None] * normal
            seen = self._distance(found + self._before * normal) > 0.0
            points, directions = np.concatenate([points, found[seen]]), np.concatenate([directions, normal[seen]])
            if len(points) >= count:
                break
        return points[:count], directions[:count]

    def distances(self, points: Float64) -> Float64:
        return self._distance(points)

    def without_inside(self) -> KnownMesh:
        return KnownMesh(*self._given, inside=False) if self.signed else self


def _told(sides: Sides, triangles: Int64) -> tuple[str, ...]:
    """What the artist should know of the mesh."""
    if not (sides.facing != 0).any():
        return ("the mesh has no inside (flat, one-sided or wide open), so its field is unsigned",)
    found = []
    if sides.holes:
        n = counted(int(edges_of(triangles[sides.facing != 0]).open.sum()), "open edge", "open edges")
        found.append(f"the mesh has holes ({n}); the surface closes them")
    if sides.n_sheets:
        parts = "1 part has" if sides.n_sheets == 1 else f"{sides.n_sheets} parts have"
        found.append(
            f"{parts} no inside (flat, one-sided or wide open) and become shells of "
            f"{sides.thickness / LONGEST:.1%} of the longest side"
        )
    if sides.n_turned:
        found.append(f"{counted(sides.n_turned, 'part', 'parts')} with normals inwards taken to be solid")
    return tuple(found)

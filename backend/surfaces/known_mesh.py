"""``KnownMesh``: distances to a mesh, signed where it has an inside, whatever the mesh is like."""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.check import count as counted
from backend.geometry.edges import edges_of
from backend.geometry.repair import working_mesh
from backend.geometry.sampling import sample_surface
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
        offsets = 3 * np.arange(len(triangles) + 1)
        surface = working_mesh(MeshData.from_positions(positions, offsets, triangles.reshape(-1)), "the shape")
        self._given = positions, triangles
        self._positions, self._triangles = surface.positions + surface.origin, surface.triangles
        self._bare = Distance(self._positions, self._triangles)
        self._sides: Sides | None = None
        self._surface: SignedSurface | None = None
        self.said: tuple[str, ...] = ()
        if inside:
            sides = sides_of(self._positions, self._triangles)
            self.said = self._told(sides)
            if (sides.facing != 0).any():
                self._sides, self._surface = sides, SignedSurface(self._positions, self._triangles, sides)
                self._triangles = turned_faces(self._triangles, sides.facing)
        self.signed = self._surface is not None
        self.exact = self._sides is None or not self._sides.holes

    def on_surface(self, count: int, rng: np.random.Generator) -> tuple[Float64, Float64 | None]:
        if self._sides is None or self._surface is None:
            return sample_surface(self._positions, self._triangles, count, rng)[0], None
        faces = np.flatnonzero(~self._sides.buried)
        before = BEFORE * diagonal(self._positions, self._triangles)
        normals = unit(area_vectors(self._positions, self._triangles[faces]))
        shell = (self._sides.facing == 0)[faces]
        points, directions = np.zeros((0, 3)), np.zeros((0, 3))
        for _ in range(ROUNDS):
            found, face, _ = sample_surface(self._positions, self._triangles[faces], count, rng)
            # A shell has two faces, half its thickness on either side.
            side = np.where(shell[face], rng.choice([-1.0, 1.0], count), 1.0)
            normal = side[:, None] * normals[face]
            found = found + np.where(shell[face], self._sides.thickness / 2, 0.0)[:, None] * normal
            seen = self._surface(found + before * normal) > 0.0
            points, directions = np.concatenate([points, found[seen]]), np.concatenate([directions, normal[seen]])
            if len(points) >= count:
                break
        return points[:count], directions[:count]

    def distances(self, points: Float64) -> Float64:
        return self._bare(points)[0] if self._surface is None else self._surface(points)

    def without_inside(self) -> KnownMesh:
        return KnownMesh(*self._given, inside=False) if self.signed else self

    def _told(self, sides: Sides) -> tuple[str, ...]:
        """What the artist should know of the mesh."""
        if not (sides.facing != 0).any():
            return ("the mesh has no inside (flat, one-sided or wide open), so its field is unsigned",)
        found = []
        if sides.holes:
            n = counted(int(edges_of(self._triangles[sides.facing != 0]).open.sum()), "open edge", "open edges")
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

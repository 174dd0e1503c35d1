"""Where a surface, or the gap beside it, is too thin for the cells of an extraction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import igl
import numpy as np

from backend.geometry.arrays import Flags, Float64, Int64
from backend.geometry.sides import Sides, turned_faces, unit_frame
from backend.geometry.triangles import area_vectors, areas

DEPTHS = (0.75, 0.4, 0.2)  # cells: what is less than twice as thick wants cells of a half, a quarter, an eighth
PIECES = (1.0, 0.5, 0.25)  # cells: longest side of the pieces looked at for each
SHARES = (0.3, 0.15, 0.1)  # of the area, at most, that each may have; the thinnest pieces first
CREASE = 0.9  # of the first depth: cells of a half are wanted, too, where any face is nearer than that
FACING = -0.3  # cosine between two normals, from where the faces look away from each other
STEP = 0.05  # cells: thicknesses that differ less count as the same
SHELL = 1 / 1.3  # of the thickness of the shell that stands for a sheet: the largest cells for it
MOST = 1_000_000  # of such cells beside each other, on all sheets


@dataclass(frozen=True, eq=False)
class Places:
    """Places on triangles: they ride along when the vertices move."""

    corners: Int64  # [M, 3] vertices
    weights: Float64  # [M, 3]

    def at(self, positions: Float64) -> Float64:
        """The places [M, 3] when the vertices are at ``positions`` [V, 3]."""
        return np.asarray(np.einsum("mk,mki->mi", self.weights, positions[self.corners]))


def thin_places(positions: Float64, triangles: Int64, sides: Sides, cell: float) -> list[Places]:
    """Places where cells of half the size are wanted, of a quarter, and of an eighth, close enough to cover all that.

    From a place on the surface, ``DEPTHS`` behind and before it, the nearest face is the one of the place itself
    unless there is another within twice that depth; thin is what has one there that looks the opposite way. Edges and
    creases have other faces near, too, and want cells of a half. Sheets are as thin as the shells that stand for them.
    """
    found = _thin_walls(positions, triangles, sides, cell)
    level = _level_of_sheets(positions, triangles, sides, cell)
    if level is not None:
        own = triangles[sides.facing == 0]
        pieces = _Pieces.whole(len(own)).cut(positions[own], PIECES[0] * cell / 2**level)
        walls = found[level]
        corners, weights = own[pieces.faces], pieces.weights.mean(axis=1)
        found[level] = Places(np.concatenate([walls.corners, corners]), np.concatenate([walls.weights, weights]))
    return found


def _level_of_sheets(positions: Float64, triangles: Int64, sides: Sides, cell: float) -> int | None:
    """Which of the smaller cells a shell of the sheets' thickness wants, if it wants any and they are not too many."""
    area = areas(positions, triangles[sides.facing == 0]).sum()
    wanted = math.ceil(math.log2(cell / (SHELL * sides.thickness))) if area > 0.0 else 0
    fitting = math.floor(math.log2(math.sqrt(MOST / area) * cell)) if wanted > 0 else 0
    level = min(wanted, fitting, len(DEPTHS)) - 1
    return level if level >= 0 else None


def _thin_walls(positions: Float64, triangles: Int64, sides: Sides, cell: float) -> list[Places]:
    """Places where the parts that bound a volume want smaller cells."""
    walls = (sides.facing != 0) & ~sides.buried
    own = turned_faces(triangles, sides.facing)[walls]
    own = own[area_vectors(positions, own).any(axis=1)]
    if not len(own):
        return [Places(np.zeros((0, 3), np.int64), np.zeros((0, 3)))] * len(DEPTHS)
    look = _Look(positions, own)
    pieces = _Pieces.whole(len(own))
    chosen, whole = [], areas(positions, own).sum()
    for level in range(len(DEPTHS)):
        pieces = pieces.cut(positions[own], PIECES[level] * cell)
        places = Places(own[pieces.faces], pieces.weights.mean(axis=1))
        points = places.at(positions)
        thin = look.thickness(points, pieces.faces, DEPTHS[level] * cell, 0.0 if level else CREASE)
        for depth in DEPTHS[level + 1 :]:
            thin = np.minimum(thin, look.thickness(points, pieces.faces, depth * cell, 0.0))
        area = pieces.areas(positions[own])
        taken = _thinnest(thin, area, SHARES[level] * whole, STEP * cell)
        chosen.append(Places(places.corners[taken], places.weights[taken]))
        pieces = pieces.of(np.isfinite(thin))
    return chosen


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Pieces of triangles, triangles themselves."""

    faces: Int64  # [N]
    weights: Float64  # [N, 3, 3], of each of three corners

    @staticmethod
    def whole(count: int) -> _Pieces:
        """Triangles that are not cut."""
        return _Pieces(np.arange(count), np.tile(np.eye(3), (count, 1, 1)))

    def of(self, chosen: Flags) -> _Pieces:
        return _Pieces(self.faces[chosen], self.weights[chosen])

    def corners(self, triangles: Float64) -> Float64:
        """Corners [N, 3, 3] of pieces of ``triangles`` [T, 3, 3]."""
        return np.asarray(self.weights @ triangles[self.faces])

    def areas(self, triangles: Float64) -> Float64:
        a, b, c = self.corners(triangles).transpose(1, 0, 2)
        return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)

    def cut(self, triangles: Float64, longest: float) -> _Pieces:
        """Their longest sides halved until none is longer than ``longest``."""
        left, done = self, []
        while True:
            corners = left.corners(triangles)
            lengths = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)  # [N, 3]
            long = lengths.max(axis=1) > longest
            done.append(left.of(~long))
            if not long.any():
                break
            turn = (lengths[long].argmax(axis=1)[:, None] + np.arange(3)) % 3
            a, b, c = np.take_along_axis(left.weights[long], turn[:, :, None], axis=1).transpose(1, 0, 2)
            middle = (a + b) / 2
            halves = np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])
            left = _Pieces(np.tile(left.faces[long], 2), halves)
        return _Pieces(np.concatenate([d.faces for d in done]), np.concatenate([d.weights for d in done]))


class _Look:
    """The nearest faces of a surface."""

    def __init__(self, positions: Float64, triangles: Int64) -> None:
        used, compact = np.unique(triangles, return_inverse=True)
        self._middle, self._size = unit_frame(positions[used])
        self._positions = np.ascontiguousarray((positions[used] - self._middle) / self._size)
        self._triangles = np.ascontiguousarray(compact.reshape(-1, 3), np.int64)
        vectors = area_vectors(self._positions, self._triangles)
        self._normals = vectors / np.maximum(np.linalg.norm(vectors, axis=1), 1e-300)[:, None]
        self._tree = igl.AABB()
        self._tree.init(self._positions, self._triangles)

    def thickness(self, points: Float64, faces: Int64, depth: float, crease: float) -> Float64:
        """Distance [M] to what is found behind or before ``points`` [M, 3] of ``faces``; infinite if it is nothing.

        Found is what looks the other way, and whatever is nearer than ``crease`` of the depth.
        """
        found, normals = np.full(len(points), np.inf), self._normals[faces]
        if not len(points):
            return found
        for side in (-1.0, 1.0):
            beside = np.ascontiguousarray((points + side * depth * normals - self._middle) / self._size)
            squared, face, closest = self._tree.squared_distance(self._positions, self._triangles, beside)
            near = np.sqrt(np.maximum(np.asarray(squared).reshape(-1), 0.0)) * self._size < crease * depth
            near |= np.einsum("mi,mi->m", self._normals[np.asarray(face).reshape(-1)], normals) < FACING
            reached = np.asarray(closest).reshape(-1, 3) * self._size + self._middle
            found = np.where(near, np.minimum(found, np.linalg.norm(reached - points, axis=1)), found)
        return found


def _thinnest(thickness: Float64, area: Float64, most: float, step: float) -> Flags:
    """The places [M] of finite ``thickness`` [M], no more of them than have an area of ``most``."""
    thin = np.flatnonzero(np.isfinite(thickness))
    order = thin[np.argsort(np.round(thickness[thin] / step), kind="stable")]
    chosen = np.zeros(len(thickness), bool)
    chosen[order[np.cumsum(area[order]) <= most]] = True
    return chosen

"""Which side of every face is inside: decided once for a surface, closed or open, by what its winding numbers say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import igl
import numpy as np
from numpy.typing import NDArray

from backend.geometry.arrays import Flags, Float64, Int64
from backend.geometry.check import count
from backend.geometry.edges import edges_of
from backend.geometry.triangles import area_vectors, parts

INSIDE = 0.5  # winding number from where a point is inside
TOUCH = 1e-4  # of a part's diagonal: as near to a face as its two sides are looked at
DEPTH = 0.01  # of its diagonal: as deep an open part must have an inside
SOLID = 0.8  # share of an open part's area that must have an inside behind it
LOOKS = 4000  # faces looked at in each question about the whole surface
CELLS = 2.0 / 128  # of the longest side: two cells of an extraction at 128, which a sheet must not slip through


@dataclass(frozen=True, eq=False)
class Sides:
    """What the faces of a surface bound."""

    facing: NDArray[np.int8]  # [T], 1: inside lies behind the face, -1: before it, 0: a sheet without an inside
    buried: Flags  # [T], inside lies on both sides, as where one part reaches into another
    thickness: float  # of the shell that stands for a sheet, in the units of the surface
    holes: bool  # some part that bounds a volume is open
    n_sheets: int  # connected parts that are sheets
    n_turned: int  # parts whose normals point inwards while those of others do not
    n_parts: int

    def grown(self, factor: float) -> Sides:
        """The sides of the surface when its lengths are multiplied."""
        return replace(self, thickness=factor * self.thickness)

    def said(self, role: str) -> tuple[str, ...]:
        """What the artist should know of it."""
        found = []
        if self.n_sheets:
            which = "the surface" if self.n_sheets == self.n_parts else count(self.n_sheets, "part", "parts")
            has = "has" if which == "the surface" or self.n_sheets == 1 else "have"
            found.append(
                f"{role}: {which} {has} no inside (flat, one-sided or wide open), so frames with a surface of their "
                f"own show a shell of thickness {self.thickness:.3g}"
            )
        if self.n_turned:
            found.append(f"{role}: {count(self.n_turned, 'part', 'parts')} with normals inwards taken to be solid")
        return tuple(found)


def winding_numbers(points: Float64, positions: Float64, triangles: Int64) -> Float64:
    """Generalised winding number [N] of the surface around each point [N, 3] (Jacobson et al., SIGGRAPH 2013)."""
    return Winding(positions, triangles)(points)


class Winding:
    """Winding numbers around one surface, many times (Barill et al., SIGGRAPH 2018)."""

    def __init__(self, positions: Float64, triangles: Int64) -> None:
        self._middle, self._size = unit_frame(positions)
        self._tree = igl.FastWindingNumberBVH()
        self._tree.init(
            np.ascontiguousarray((positions - self._middle) / self._size), np.ascontiguousarray(triangles, np.int64)
        )

    def __call__(self, points: Float64) -> Float64:
        if not len(points):
            return np.zeros(0)
        inward = np.ascontiguousarray((points - self._middle) / self._size)
        return np.asarray(self._tree.winding_number(inward)).reshape(-1)


def unit_frame(positions: Float64) -> tuple[Float64, float]:
    """Middle [3] and longest side of the box: searches are scaled to order one, tiny and huge surfaces alike."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    return (low + high) / 2, float((high - low).max()) or 1.0


def sides_of(positions: Float64, triangles: Int64, thickness: float = 0.0) -> Sides:
    """The sides of the faces of a surface; ``thickness`` 0 chooses one that extraction at 128 cells cannot miss.

    A closed part bounds a volume whichever way its normals point. An open part does where the winding number, which
    closes its holes, finds an inside at some depth behind most of its faces, or before them if those look inwards.
    What remains is a sheet. Across closed parts orientation means what it does in the file: a part inside another,
    and turned against it, is a cavity.
    """
    look = _Look(positions, triangles)
    facing = np.zeros(look.n_parts, np.int8)
    facing[look.closed] = _facing_of_closed(look)[look.closed]
    facing[~look.closed] = _facing_of_open(look)[~look.closed]
    of_face = np.ascontiguousarray(facing[look.part])
    kept = facing[np.unique(look.part)]
    turned = int((kept < 0).sum())
    side = float(np.ptp(positions[np.unique(triangles)], axis=0).max())
    return Sides(
        facing=of_face,
        holes=bool((facing[~look.closed] != 0).any()),
        buried=_buried(look, of_face),
        thickness=thickness or CELLS * side,
        n_sheets=int((kept == 0).sum()),
        n_turned=turned if turned < len(kept) else 0,
        n_parts=len(kept),
    )


class _Look:
    """A surface and the winding numbers beside its faces."""

    def __init__(self, positions: Float64, triangles: Int64) -> None:
        self.positions, self.triangles = positions, triangles
        vectors = area_vectors(positions, triangles)  # [T, 3]
        self.area = np.linalg.norm(vectors, axis=1)
        self.normals = vectors / np.maximum(self.area, 1e-300)[:, None]
        self.middles = positions[triangles].mean(axis=1)  # [T, 3]
        self.n_parts, of_vertex = parts(len(positions), triangles)
        self.part = of_vertex[triangles[:, 0]]  # [T]
        low, high = np.full((self.n_parts, 3), np.inf), np.full((self.n_parts, 3), -np.inf)
        np.minimum.at(low, of_vertex, positions)
        np.maximum.at(high, of_vertex, positions)
        self.part_size = np.linalg.norm(high - low, axis=1)
        edges = edges_of(triangles)
        self.closed = np.ones(self.n_parts, bool)
        self.one_sided = np.zeros(self.n_parts, bool)
        self.one_sided[of_vertex[edges.ends[edges.inconsistent, 0]]] = True
        self.closed[of_vertex[edges.ends[(edges.uses != 2) | edges.inconsistent, 0]]] = False
        spread = -(-len(triangles) // LOOKS)
        self.few = np.unique(np.concatenate([np.arange(0, len(triangles), spread), self._largest_of_parts()]))
        self.winding = Winding(positions, triangles)

    def beside(self, faces: Int64, share: float, winding: Winding | None = None) -> tuple[Float64, Float64]:
        """Winding numbers behind and before ``faces`` [n], ``share`` of their part's diagonal away, each [n]."""
        step = share * self.part_size[self.part[faces], None] * self.normals[faces]
        ask = winding or self.winding
        return ask(self.middles[faces] - step), ask(self.middles[faces] + step)

    def share(self, faces: Int64, flags: Flags) -> Float64:
        """Share of the area of ``faces`` [n] for which ``flags`` [n] hold, of every part."""
        total = np.bincount(self.part[faces], self.area[faces], self.n_parts)
        held = np.bincount(self.part[faces], self.area[faces] * flags, self.n_parts)
        return np.asarray(held / np.maximum(total, 1e-300))

    def _largest_of_parts(self) -> Int64:
        order = np.lexsort((-self.area, self.part))
        _, first = np.unique(self.part[order], return_index=True)
        return np.asarray(order[first])


def _facing_of_closed(look: _Look) -> NDArray[np.int8]:
    """1 or -1 for every part: a part inside another keeps its orientation against that one."""
    middle = (look.positions.min(axis=0) + look.positions.max(axis=0)) / 2
    heights = np.einsum("ti,ti->t", look.middles - middle, look.normals) * look.area
    outwards = np.bincount(look.part, heights, look.n_parts) >= 0
    behind, before = look.beside(look.few, TOUCH)
    around = np.where(outwards[look.part[look.few]], before, behind)  # what the other parts say there
    total = np.bincount(look.part[look.few], look.area[look.few], look.n_parts)
    others = np.bincount(look.part[look.few], look.area[look.few] * around, look.n_parts) / np.maximum(total, 1e-300)
    return np.where(np.where(np.abs(others) > INSIDE, others > 0, outwards), 1, -1).astype(np.int8)


def _facing_of_open(look: _Look) -> NDArray[np.int8]:
    """1 or -1 for parts that have an inside, 0 for sheets."""
    if look.closed.all():
        return np.ones(look.n_parts, np.int8)
    behind, before = look.beside(look.few, DEPTH)
    as_is = look.share(look.few, behind > INSIDE)
    turned = look.share(look.few, before < -INSIDE)
    facing = np.where(turned > as_is, -1, 1)
    solid = (np.maximum(as_is, turned) >= SOLID) & ~look.one_sided
    return np.where(solid, facing, 0).astype(np.int8)


def _buried(look: _Look, facing: NDArray[np.int8]) -> Flags:
    """Faces that have the inside on both sides, and whose neighbours have it too [T]."""
    none = np.zeros(len(look.triangles), bool)
    solid = facing != 0
    if not solid.any():
        return none
    winding = Winding(look.positions, turned_faces(look.triangles, facing)[solid])

    def inside(faces: Int64) -> Flags:
        behind, before = look.beside(faces, TOUCH, winding)
        return np.asarray((np.abs(behind) > INSIDE) & (np.abs(before) > INSIDE))

    if not inside(look.few[solid[look.few]]).any():
        return none
    every = np.flatnonzero(solid)
    covered = none.copy()
    covered[every] = inside(every)
    bare = np.zeros(len(look.positions), bool)
    bare[look.triangles[~covered]] = True
    return np.asarray(covered & ~bare[look.triangles].any(axis=1))


def turned_faces(triangles: Int64, facing: NDArray[np.int8]) -> Int64:
    """The triangles [T, 3], those with the inside before them turned round."""
    return np.where((facing < 0)[:, None], triangles[:, ::-1], triangles)

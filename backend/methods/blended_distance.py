"""The distance that a carried pair itself knows: from the source's surface, from the target's, and between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.geometry.sides import Sides, sides_of
from backend.geometry.signed_distance import SignedSurface, slope_of
from backend.geometry.triangles import diagonal
from backend.methods.carried_pair import CarriedPair

Float = NDArray[np.float64]

ROLES = ("source", "target")
AGREE = 0.01  # difference of the two distances, in diagonals of the source, from where the blend of them is a guess


@dataclass(frozen=True, eq=False)
class Blend:
    """The blended distance at N points; object space."""

    distances: Float  # [N], signed
    gradients: Float  # [N, 3]
    trust: Float  # [N] in 0..1: 1 at both ends, and wherever the two surfaces agree


class BlendedDistance:
    """phi = (1 - s) d_source + s d_target, both surfaces carried to one time, s the progress of the motion.

    Where the match is good this is the distance to the surface, and elsewhere a guess between two shapes (Cohen-Or,
    Levin, Solomovici: Three-dimensional distance field metamorphosis, 1998).
    """

    def __init__(self, carried: CarriedPair, sides: tuple[Sides, Sides] | None = None) -> None:
        """``sides``: of both surfaces at their own ends, decided here where not given."""
        a, b = carried.source, carried.target
        self.sides = sides or (sides_of(a.positions, a.triangles), sides_of(b.positions, b.triangles))
        self.slope = max(slope_of(side) for side in self.sides)
        self._carried = carried
        self._unit = AGREE * diagonal(a.positions, a.triangles)
        self._held: tuple[float, BlendAt] | None = None

    def said(self) -> tuple[str, ...]:
        """What the artist should know of the two surfaces."""
        return tuple(s for side, role in zip(self.sides, ROLES, strict=True) for s in side.said(role))

    def sides_at(self, t: float) -> tuple[Sides, Sides]:
        """The sides at one time: a thickness grows with the frame from the end that it was given for."""
        frame = self._carried.frame
        here, start, end = (frame.length(s) for s in (self._carried.progress(t), 0.0, 1.0))
        return self.sides[0].grown(here / start), self.sides[1].grown(here / end)

    def box(self, low: Float, high: Float, t: float) -> tuple[Float, Float]:
        """The box of both surfaces at one time with room for shells."""
        room = max((side.thickness for side in self.sides_at(t) if side.n_sheets), default=0.0)
        return low - room, high + room

    def at(self, t: float) -> BlendAt:
        """The blend at one time; the last one is kept, since a frame asks many times."""
        if self._held is None or self._held[0] != t:
            s, meshes = self._carried.progress(t), (self._carried.source, self._carried.target)
            surfaces = [
                SignedSurface(positions, mesh.triangles, sides) if share > 0.0 else None
                for positions, mesh, sides, share in zip(
                    self._carried.at(t), meshes, self.sides_at(t), (1 - s, s), strict=True
                )
            ]
            self._held = t, BlendAt(s, surfaces[0], surfaces[1], self._unit)
        return self._held[1]


class BlendAt:
    """The blended distance at one time."""

    def __init__(self, share: float, source: SignedSurface | None, target: SignedSurface | None, unit: float) -> None:
        self._share = share
        self._source = source
        self._target = target
        self._unit = unit

    def __call__(self, points: Float) -> Blend:
        """At ``points`` [N, 3], relative to the origin of the source."""
        s = self._share
        if self._source is None or self._target is None:
            (only,) = (surface for surface in (self._source, self._target) if surface is not None)
            return Blend(*only.with_gradient(points), np.ones(len(points)))
        (a, grad_a), (b, grad_b) = self._source.with_gradient(points), self._target.with_gradient(points)
        differ = 4.0 * s * (1.0 - s) * (a - b) / self._unit
        return Blend((1.0 - s) * a + s * b, (1.0 - s) * grad_a + s * grad_b, np.exp(-differ * differ))

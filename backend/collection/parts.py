"""The parts of a made shape. Each has coordinates of its own, the same on every shape that has the part.

A point of a part has canonical coordinates [3], -1..1 inside: two across and one along, whatever the part's size, lean,
bend, and however round or square it is. ``place`` is the inverse of ``canonical``; together they tell where a point of
one shape's part is on another's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Float64

Pair = tuple[float, float]


@dataclass(frozen=True)
class Column:
    """A bar along an axis. Its cross-section is a superellipse, which may grow, shift and bend along the way."""

    name: str
    axis: int  # 0, 1, 2; the two others follow in their order
    low: float  # ends along the axis
    high: float
    start: Pair  # middle of the cross-section at the low end
    end: Pair  # and at the high end
    first: Pair  # half widths at the low end
    last: Pair  # and at the high end
    square: float = 8.0  # exponent: 2 an ellipse, large a rectangle
    bend: Pair = (0.0, 0.0)  # by which the middle of the way lies off the straight line
    hollow: bool = False  # taken out of the shape, and open at its high end

    def canonical(self, points: Float64) -> Float64:
        """Canonical coordinates [N, 3] of points [N, 3], (across, across, along)."""
        along = (points[:, self.axis] - self.low) / (self.high - self.low)
        middle, half = self._section(along)
        u = (points[:, self._across] - middle) / half
        return np.concatenate([u * _ratio(self._radius(u), _largest(u)), 2.0 * along[:, None] - 1.0], axis=1)

    def place(self, canonical: Float64) -> Float64:
        """Points [N, 3] with these canonical coordinates [N, 3]."""
        along = (canonical[:, 2] + 1.0) / 2.0
        middle, half = self._section(along)
        q = canonical[:, :2]
        points = np.empty((len(q), 3))
        points[:, self._across] = middle + half * q * _ratio(_largest(q), self._radius(q))
        points[:, self.axis] = self.low + (self.high - self.low) * along
        return points

    def level(self, points: Float64) -> Float64:
        """Below 0 inside [N]; near the surface about a distance."""
        along = (points[:, self.axis] - self.low) / (self.high - self.low)
        middle, half = self._section(np.clip(along, 0.0, 1.0))
        u = (points[:, self._across] - middle) / half
        across = (self._radius(u) - 1.0) * half.min(axis=1)
        below = self.low - points[:, self.axis]
        return np.maximum(across, below if self.hollow else np.maximum(below, points[:, self.axis] - self.high))

    @property
    def _across(self) -> list[int]:
        return [axis for axis in range(3) if axis != self.axis]

    def _section(self, along: Float64) -> tuple[Float64, Float64]:
        """Middle [N, 2] and half widths [N, 2] of the cross-section at these shares of the way [N]."""
        s = along[:, None]
        middle = (1.0 - s) * np.array(self.start) + s * np.array(self.end) + 4.0 * s * (1.0 - s) * np.array(self.bend)
        return middle, np.maximum((1.0 - s) * np.array(self.first) + s * np.array(self.last), 1e-3)

    def _radius(self, u: Float64) -> Float64:
        return np.asarray((np.abs(u) ** self.square).sum(axis=1) ** (1.0 / self.square))


@dataclass(frozen=True)
class Arc:
    """Half a ring in the plane y = 0, open towards -x: a handle."""

    name: str
    middle: Pair  # x and z
    reach: Pair  # half axes of the ring in x and z
    half: Pair  # half widths of the bar, in the plane and along y
    turn: float = 1.75  # radians from the x axis to each end; more than a quarter turn, to end inside of what it is on
    square: float = 3.0
    hollow: bool = False

    def canonical(self, points: Float64) -> Float64:
        """Canonical coordinates [N, 3] of points [N, 3], (outwards, sideways, along)."""
        x = (points[:, 0] - self.middle[0]) / self.reach[0]
        z = (points[:, 2] - self.middle[1]) / self.reach[1]
        outwards = (np.hypot(x, z) - 1.0) * self._size / self.half[0]
        u = np.stack([outwards, points[:, 1] / self.half[1]], axis=1)
        q = u * _ratio(self._radius(u), _largest(u))
        return np.concatenate([q, np.arctan2(z, x)[:, None] / (np.pi / 2)], axis=1)

    def place(self, canonical: Float64) -> Float64:
        """Points [N, 3] with these canonical coordinates [N, 3]."""
        q = canonical[:, :2]
        u = q * _ratio(_largest(q), self._radius(q))
        ring = 1.0 + u[:, 0] * self.half[0] / self._size
        angle = canonical[:, 2] * np.pi / 2
        x = self.middle[0] + self.reach[0] * ring * np.cos(angle)
        z = self.middle[1] + self.reach[1] * ring * np.sin(angle)
        return np.stack([x, u[:, 1] * self.half[1], z], axis=1)

    def level(self, points: Float64) -> Float64:
        """Below 0 inside [N]; near the surface about a distance."""
        q = self.canonical(points)
        across = (_largest(q[:, :2])[:, 0] - 1.0) * min(self.half)
        return np.maximum(across, (np.abs(q[:, 2]) * np.pi / 2 - self.turn) * min(self.reach))

    @property
    def _size(self) -> float:
        return (self.reach[0] + self.reach[1]) / 2

    def _radius(self, u: Float64) -> Float64:
        return np.asarray((np.abs(u) ** self.square).sum(axis=1) ** (1.0 / self.square))


Part = Column | Arc


def _largest(u: Float64) -> Float64:
    return np.asarray(np.abs(u).max(axis=1, keepdims=True))


def _ratio(a: Float64, b: Float64) -> Float64:
    """a / b as a column [N, 1]; 1 at the middle, where both are 0."""
    a, b = a.reshape(-1, 1), b.reshape(-1, 1)
    return np.where(b > 1e-12, a / np.maximum(b, 1e-12), 1.0)

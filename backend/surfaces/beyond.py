"""Fields away from their shape, where networks know little: continued from a box around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Flags, Float64

ROOM = 0.1  # units from the shape's box to that from which its field is continued

Asked = tuple[Float64, Float64]  # values [N] and gradients [N, D]


@dataclass(frozen=True, eq=False)
class Around:
    """The box in which a network is asked, unit frame; the shape lies in it."""

    low: Float64  # [D]
    high: Float64  # [D]

    def beyond(self, points: Float64) -> Flags:
        """Which of points [N, D] lie outside."""
        return np.asarray(((points < self.low) | (points > self.high)).any(axis=1))

    def continued(self, ask: Callable[[Float64], Asked], points: Float64, bounded: bool) -> Asked:
        """Value and gradient at points [N, D] outside; ``ask`` gives those of the network.

        With c the nearest point of the box, nothing in the box is nearer to x than sqrt(f(c)^2 + |x - c|^2), since the
        way from c to x leads away from all of it. The shape's point nearest to c is about p = c - f(c) grad f(c), and
        that nearest to x is about the same of where the way from p to x leaves the box; f(x) is |x - p|, or the bound
        where a wrong gradient makes that less. A bounded network would give up its own bound by p; it has its f(x) in
        place of |x - p|: both are 1-Lipschitz and no more than the distance.
        """
        nearest = np.clip(points, self.low, self.high)
        value, gradient = ask(nearest)
        away = points - nearest
        above = np.maximum(value, 0.0)[:, None]
        least = np.hypot(above[:, 0], np.linalg.norm(away, axis=1))
        along = np.where(away == 0.0, gradient, 0.0)  # c moves along the side of the box only
        slope = (above * along + away) / least[:, None]
        if bounded:
            own, own_slope = ask(points)
        else:
            foot, _ = _foot(nearest, value, gradient)
            left = self._left(foot, points)
            foot, spread = _foot(left, *ask(left))
            own = np.sqrt(((points - foot) ** 2).sum(axis=1) + spread)
            own_slope = (points - foot) / np.maximum(own, 1e-12)[:, None]
        greater = own > least
        return np.where(greater, own, least), np.where(greater[:, None], own_slope, slope)

    def _left(self, inside: Float64, points: Float64) -> Float64:
        """Where straight ways from ``inside`` [N, D] to points outside [N, D] leave the box."""
        inside = np.clip(inside, self.low, self.high)
        way = points - inside
        room = np.where(way > 0.0, self.high, self.low) - inside
        share = np.divide(room, way, out=np.ones_like(way), where=way != 0.0)
        return np.asarray(inside + share.min(axis=1, keepdims=True) * way)


def _foot(points: Float64, value: Float64, gradient: Float64) -> tuple[Float64, Float64]:
    """About the shape's points nearest to points [N, D]: their mean [N, D], and mean squared distance from it [N].

    Between two of them a network's gradient is that to their mean, and shorter than 1.
    """
    value = np.maximum(value, 0.0)
    gradient = gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1.0)
    return points - value[:, None] * gradient, value**2 * (1.0 - (gradient**2).sum(axis=1))

"""Fields away from their shape, where networks know little: continued from a box around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Flags, Float64

ROOM = 0.1  # units from the shape's box to that from which its field is continued
STEPS = 3  # points of the box that are tried

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

        On the way from x to the shape's nearest point p lies a point c of the side of the box, and f(x) is
        |x - c| + f(c), which no other c makes less. It is looked for from the point nearest to x: p is about
        c - f(c) grad f(c), and the way from p to x leaves the box at the next c. As that is a minimum, a rough gradient
        does little harm. With c the nearest one, nothing in the box is nearer to x than sqrt(f(c)^2 + |x - c|^2), and
        f(x) is never less. A bounded network would give up its own bound by the first; it has its f(x) in place of it:
        both are 1-Lipschitz and no more than the distance.
        """
        nearest = np.clip(points, self.low, self.high)
        value, gradient = ask(nearest)
        least, slope = _least(points - nearest, value, gradient)
        if bounded:
            own, own_slope = ask(points)
        else:
            own, own_slope = np.full(len(points), np.inf), np.zeros_like(points)
            left = nearest
            for step in range(STEPS):
                if step > 0:
                    left = self._left(_foot(left, value, gradient), points)
                    value, gradient = ask(left)
                away = points - left
                length = np.linalg.norm(away, axis=1)
                found = length + np.maximum(value, 0.0)
                less = found < own
                own = np.where(less, found, own)
                own_slope[less] = away[less] / np.maximum(length[less], 1e-12)[:, None]
        greater = own > least
        return np.where(greater, own, least), np.where(greater[:, None], own_slope, slope)

    def _left(self, inside: Float64, points: Float64) -> Float64:
        """Where straight ways from ``inside`` [N, D] to points outside [N, D] leave the box."""
        inside = np.clip(inside, self.low, self.high)
        way = points - inside
        room = np.where(way > 0.0, self.high, self.low) - inside
        share = np.divide(room, way, out=np.ones_like(way), where=way != 0.0)
        return np.asarray(inside + share.min(axis=1, keepdims=True) * way)


def _least(away: Float64, value: Float64, gradient: Float64) -> Asked:
    """The least value [N] at points that are ``away`` [N, D] from the nearest of the box, f being as given there."""
    above = np.maximum(value, 0.0)[:, None]
    least = np.hypot(above[:, 0], np.linalg.norm(away, axis=1))
    along = np.where(away == 0.0, gradient, 0.0)  # the nearest point moves along the side of the box only
    return least, (above * along + away) / least[:, None]


def _foot(points: Float64, value: Float64, gradient: Float64) -> Float64:
    """About the points of the shape [N, D] that are nearest to points [N, D]; between two of them, their mean."""
    gradient = gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1.0)
    return np.asarray(points - np.maximum(value, 0.0)[:, None] * gradient)

"""``Pace``: how the progress of a motion runs over time."""

from __future__ import annotations

from dataclasses import dataclass

from backend.geometry.spline import leg_at


@dataclass(frozen=True)
class Pace:
    """How far the motion comes to rest at both ends, and at the poses that it passes through."""

    rest_at_ends: float  # 0: constant rate; 1: starts and stops smoothly
    rest_at_stops: float = 0.0  # 0: passes at the mean rate; 1: stands still for a moment
    legs: int = 1  # of equal length, from pose to pose

    def progress(self, t: float) -> float:
        """Progress in 0..1 at time ``t``; each leg takes an equal share of the time."""
        leg, s = leg_at(t, self.legs)
        first = self.rest_at_ends if leg == 0 else self.rest_at_stops
        last = self.rest_at_ends if leg == self.legs - 1 else self.rest_at_stops
        within = s - first * s * (s - 1.0) ** 2 - last * s * s * (s - 1.0)
        return (leg + within) / self.legs

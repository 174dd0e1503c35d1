"""``Pace``: how the progress of a motion runs over time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How far the motion comes to rest at both ends."""

    rest_at_ends: float  # 0: constant rate; 1: starts and stops smoothly

    def progress(self, t: float) -> float:
        """Progress in 0..1 at time ``t``."""
        return (1.0 - self.rest_at_ends) * t + self.rest_at_ends * t * t * (3.0 - 2.0 * t)

"""``CarriedPair``: both surfaces of a pair brought to one time, the source forwards and the target backwards.

Where the match is good the two coincide, and either is the surface at that time. Where they differ, the shape has to
change, and how is left to the field between them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.flow.co_moving import CoMoving
from backend.geometry.repair import WorkingMesh
from backend.geometry.triangles import smallest_share

Float = NDArray[np.float64]


class CarriedPair(ABC):
    """Two surfaces in motion. Positions are relative to the origin of the source."""

    source: WorkingMesh
    target: WorkingMesh  # its origin is that of the source
    frame: CoMoving  # the similarity that the whole pair shares
    time_steps: int

    @abstractmethod
    def progress(self, t: float) -> float:
        """Progress in 0..1 of the frame at time ``t``."""

    @abstractmethod
    def at(self, t: float) -> tuple[Float, Float]:
        """Vertices of the source [W, 3] and of the target [U, 3], both at time ``t``."""

    @abstractmethod
    def carries(self, points: Float, times: Sequence[float]) -> Iterator[Float]:
        """Points [N, 3], given at time 0, at each time."""

    @abstractmethod
    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and plain values from which, with the two surfaces, it is made again."""

    @property
    def smallest_part(self) -> float:
        """Half the share of the area that the smallest part of either end has, at most 1 %: less is a fragment."""
        surfaces = self.source, self.target
        return min(0.01, *(smallest_share(surface.positions, surface.triangles) / 2 for surface in surfaces))


class RigidPair(CarriedPair):
    """Without a match: both surfaces only turn, grow and shift together, as their alignment says."""

    def __init__(self, source: WorkingMesh, target: WorkingMesh, frame: CoMoving) -> None:
        self.source = source
        self.target = target
        self.frame = frame
        self.time_steps = 0

    def progress(self, t: float) -> float:
        return t

    def at(self, t: float) -> tuple[Float, Float]:
        source = self.frame.leave(self.frame.enter(self.source.positions, 0.0), t)
        return source, self.frame.leave(self.frame.enter(self.target.positions, 1.0), t)

    def carries(self, points: Float, times: Sequence[float]) -> Iterator[Float]:
        entered = self.frame.enter(points, 0.0)
        for t in times:
            yield points if t == 0.0 else self.frame.leave(entered, t)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {}, {"frame": self.frame.state()}

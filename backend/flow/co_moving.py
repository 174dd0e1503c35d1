"""The co-moving frame: the rigid motion and growth that a whole pair shares, taken out before anything is trained.

A pair that turns by 130 degrees needs no network for that: x(t) = c(t) + s(t) R(t) u, where u moves in the unit box of
the source, R turns about one axis at a constant rate, s grows by a constant factor and c goes straight.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backend.geometry.normalise import similarity_alignment, unit_length

Float = NDArray[np.float64]


@dataclass(frozen=True)
class CoMoving:
    """The frame at every progress in 0..1 along the motion; lengths in object space."""

    rotation: tuple[float, float, float]  # rotation vector of the whole turn, radians
    log_scale: float  # logarithm of the whole growth
    start: tuple[float, float, float]  # of the middle
    end: tuple[float, float, float]
    unit: float  # object-space length of 1 in the frame

    @staticmethod
    def of(start: Float, end: Float) -> CoMoving:
        """The frame of a motion from ``start`` to ``end`` [W, 3], by the similarity between them."""
        alignment = similarity_alignment(end, start)
        first, last = start.mean(axis=0), end.mean(axis=0)
        turn = Rotation.from_matrix(alignment.rotation).as_rotvec()
        return CoMoving(_triple(turn), math.log(alignment.scale), _triple(first), _triple(last), unit_length(start))

    @staticmethod
    def from_state(values: dict[str, Any]) -> CoMoving:
        """The frame whose ``state()`` was ``values``."""
        return CoMoving(
            _triple(values["rotation"]), values["log_scale"], _triple(values["start"]), _triple(values["end"]),
            values["unit"],
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        return asdict(self)

    def enter(self, points: Float, progress: float) -> Float:
        """Object space to the frame [N, 3]."""
        turn, size, middle = self._at(progress)
        return np.asarray((points - middle) @ turn / size)

    def leave(self, points: Float, progress: float) -> Float:
        """The frame to object space [N, 3]."""
        turn, size, middle = self._at(progress)
        return np.asarray(size * points @ turn.T + middle)

    def _at(self, progress: float) -> tuple[Float, float, Float]:
        turn = Rotation.from_rotvec(progress * np.array(self.rotation)).as_matrix()
        middle = (1.0 - progress) * np.array(self.start) + progress * np.array(self.end)
        return turn, self.unit * math.exp(progress * self.log_scale), middle


def _triple(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z

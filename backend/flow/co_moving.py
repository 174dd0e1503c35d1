"""The co-moving frame: the rigid motion and growth that a whole pair shares, taken out before anything is trained.

A pair that turns by 130 degrees needs no network for that: x(t) = c(t) + s(t) R(t) u, where u moves in the unit box of
the source, R turns about one axis at a constant rate, s grows by a constant factor and c goes straight. In a motion
through further poses all three follow splines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backend.geometry.normalise import similarity_alignment, unit_length
from backend.geometry.spline import RotationSpline, Spline, leg_at

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Waypoint:
    """The frame at a pose between the ends, relative to the start; lengths in object space."""

    rotation: tuple[float, float, float]  # rotation vector, radians
    log_scale: float
    middle: tuple[float, float, float]


@dataclass(frozen=True)
class CoMoving:
    """The frame at every progress in 0..1 along the motion; lengths in object space."""

    rotation: tuple[float, float, float]  # rotation vector of the whole turn, radians
    log_scale: float  # logarithm of the whole growth
    start: tuple[float, float, float]  # of the middle
    end: tuple[float, float, float]
    unit: float  # object-space length of 1 in the frame
    stops: tuple[Waypoint, ...] = ()  # at equal steps of progress between the ends

    @staticmethod
    def of(start: Float, end: Float) -> CoMoving:
        """The frame of a motion from ``start`` to ``end`` [W, 3], by the similarity between them."""
        return CoMoving.through([start, end])

    @staticmethod
    def through(poses: Sequence[Float]) -> CoMoving:
        """The frame of a motion through ``poses`` [W, 3], two or more."""
        *stops, last = (_waypoint(poses[0], pose) for pose in poses[1:])
        first = _triple(poses[0].mean(axis=0))
        return CoMoving(last.rotation, last.log_scale, first, last.middle, unit_length(poses[0]), tuple(stops))

    @staticmethod
    def from_state(values: dict[str, Any]) -> CoMoving:
        """The frame whose ``state()`` was ``values``."""
        return CoMoving(
            _triple(values["rotation"]), values["log_scale"], _triple(values["start"]), _triple(values["end"]),
            values["unit"], tuple(Waypoint(**_exact(stop)) for stop in values.get("stops", ())),
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

    def length(self, progress: float) -> float:
        """Object-space length of 1 in the frame."""
        return self._at(progress)[1]

    def enter_directions(self, directions: Float, progress: float) -> Float:
        """Directions [N, 3] of object space in the axes of the frame."""
        return np.asarray(directions @ self._at(progress)[0])

    def turns(self) -> Float:
        """Rotation vectors [L, 3] of the whole from each pose to the next, the shorter way, in axes of the start."""
        every = self._waypoints
        before, after = (Rotation.from_rotvec([p.rotation for p in part]) for part in (every[:-1], every[1:]))
        return np.asarray((before.inv() * after).as_rotvec())

    @cached_property
    def _waypoints(self) -> tuple[Waypoint, ...]:
        ends = Waypoint((0.0, 0.0, 0.0), 0.0, self.start), Waypoint(self.rotation, self.log_scale, self.end)
        return (ends[0], *self.stops, ends[1])

    @cached_property
    def _splines(self) -> tuple[RotationSpline, Spline, Spline]:
        every = self._waypoints
        rotations = Rotation.from_rotvec([point.rotation for point in every]).as_matrix()
        middles, scales = ([point.middle for point in every], [point.log_scale for point in every])
        return RotationSpline(rotations[:, None]), Spline(np.array(scales)), Spline(np.array(middles))

    def _at(self, progress: float) -> tuple[Float, float, Float]:
        if self.stops:
            where = leg_at(progress, len(self.stops) + 1)
            rotations, scales, middles = self._splines
            return rotations.at(*where)[0], self.unit * math.exp(float(scales.at(*where))), middles.at(*where)
        turn = Rotation.from_rotvec(progress * np.array(self.rotation)).as_matrix()
        middle = (1.0 - progress) * np.array(self.start) + progress * np.array(self.end)
        return turn, self.unit * math.exp(progress * self.log_scale), middle


def _waypoint(start: Float, pose: Float) -> Waypoint:
    """Where the similarity that takes ``start`` [W, 3] onto ``pose`` leads."""
    alignment = similarity_alignment(pose, start)
    turn = Rotation.from_matrix(alignment.rotation).as_rotvec()
    return Waypoint(_triple(turn), math.log(alignment.scale), _triple(pose.mean(axis=0)))


def _exact(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"rotation": _triple(values["rotation"]), "middle": _triple(values["middle"])}


def _triple(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z

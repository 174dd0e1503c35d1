"""Splines through values at equal steps: each leg a cubic, value and velocity continuous at every step between.

Catmull and Rom, *A class of local interpolating splines*, 1974: the velocity at a value is the mean of those of the
legs on both sides of it. At the outer ends the second derivative is 0; two values give a straight line.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Float = NDArray[np.float64]


def leg_at(progress: float, legs: int) -> tuple[int, float]:
    """The leg of a motion of equal legs that ``progress`` in 0..1 lies in, and the share 0..1 of it that is done.

    Within rounding of the end of a leg the share is exactly 0 or 1.
    """
    along = min(max(progress, 0.0), 1.0) * legs
    if abs(along - round(along)) < 1e-9:
        along = float(round(along))
    leg = min(int(along), legs - 1)
    return leg, along - leg


class Spline:
    """A spline through values of any shape."""

    def __init__(self, values: Float) -> None:
        """``values`` [K, ...], K >= 2."""
        self._values = values
        self._slopes = tangents(np.diff(values, axis=0))

    def at(self, leg: int, share: float) -> Float:
        """The value at ``share`` of ``leg``."""
        s, (first, last), (before, after) = share, self._values[leg : leg + 2], self._slopes[leg : leg + 2]
        blend = first + s * s * (3 - 2 * s) * (last - first) + s * (s - 1) ** 2 * before + s * s * (s - 1) * after
        return np.asarray(blend)


class RotationSpline:
    """A spline through rotations; two of them give the turn about one axis at a constant rate.

    Kim, Kim and Shin, *A general construction scheme for unit quaternion curves*, SIGGRAPH 1995, cumulative cubic
    Bézier form: R(s) = R_k exp(b1 w1) exp(b2 w2) exp(b3 w3), b1 = 1 - (1 - s)^3, b2 = s^2 (3 - 2 s), b3 = s^3. Three
    times w1 and w3 are the turning rates at the ends of the leg, seen from the turned body.
    """

    def __init__(self, rotations: Float, turns: Float | None = None) -> None:
        """``rotations`` [K, N, 3, 3]; ``turns`` [K - 1, 3]: rotation vectors that those of the legs are near.

        They choose between the two ways round; without them the shorter way is taken.
        """
        self._rotations = rotations
        logs = np.stack([_log(_turned_back(a, b)) for a, b in pairwise(rotations)])
        if turns is not None:
            logs = _nearest_way(logs, turns[:, None])
        slopes = tangents(logs)
        self._first, self._last = slopes[:-1] / 3, slopes[1:] / 3  # [K - 1, N, 3]
        self._middle = np.stack([_between(*leg) for leg in zip(self._first, logs, self._last, strict=True)])

    def at(self, leg: int, share: float) -> Float:
        """Rotations [N, 3, 3] at ``share`` of ``leg``."""
        s = share
        parts = ((1 - (1 - s) ** 3, self._first), (s * s * (3 - 2 * s), self._middle), (s**3, self._last))
        turned: Float = self._rotations[leg]
        for amount, vectors in parts:
            turned = turned @ _exp(amount * vectors[leg])
        return turned


def tangents(legs: Float) -> Float:
    """Velocities [L + 1, ...] at the ends of legs whose differences are ``legs`` [L, ...], each of length 1."""
    if len(legs) == 1:
        return np.concatenate([legs, legs])
    inner = (legs[:-1] + legs[1:]) / 2
    return np.concatenate([(3 * legs[:1] - inner[:1]) / 2, inner, (3 * legs[-1:] - inner[-1:]) / 2])


def _between(first: Float, whole: Float, last: Float) -> Float:
    """What the middle of a leg turns [N, 3], so that the three parts make up the whole."""
    return _log(_turned_back(_exp(first), _exp(whole)) @ _exp(last).transpose(0, 2, 1))


def _turned_back(a: Float, b: Float) -> Float:
    """What is left of rotations b after a [N, 3, 3]."""
    return np.asarray(a.transpose(0, 2, 1) @ b)


def _nearest_way(vectors: Float, wanted: Float) -> Float:
    """Of the two rotation vectors of each rotation, the short and the long way round, that nearer to ``wanted``."""
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    other = vectors * (1.0 - 2.0 * np.pi / np.where(angle > 0.0, angle, np.inf))
    nearer = np.linalg.norm(other - wanted, axis=-1) < np.linalg.norm(vectors - wanted, axis=-1)
    return np.where(nearer[..., None], other, vectors)


def _log(rotations: Float) -> Float:
    return np.asarray(Rotation.from_matrix(rotations).as_rotvec())


def _exp(vectors: Float) -> Float:
    return np.asarray(Rotation.from_rotvec(vectors).as_matrix())

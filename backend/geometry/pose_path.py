"""The gradient-domain path through several poses of a mesh, as one smooth motion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backend.geometry.gradient_domain import ANCHOR, GradientDomain, GradientDomainPath, polar
from backend.geometry.spline import RotationSpline, Spline, leg_at
from backend.geometry.triangles import parts

Float = NDArray[np.float64]


class PosePath(Protocol):
    """A motion of a mesh that is known at every time."""

    def positions(self, t: float) -> Float:
        """Positions [W, 3] at time ``t`` in 0..1."""
        ...


def path_through(domain: GradientDomain, poses: Sequence[Float], turns: Float | None = None) -> PosePath:
    """The path from the reference mesh through ``poses`` [W, 3] at equal steps of time; one pose: straight there.

    ``turns`` [len(poses), 3]: rotation vectors of the mesh as a whole from each pose to the next.
    """
    if len(poses) == 1:
        return GradientDomainPath(domain, poses[0])
    return GradientDomainSpline(domain, poses, turns)


class GradientDomainSpline:
    """Rotations and stretches of the triangles, relative to the reference, go along splines through all poses.

    So do the means of each component's vertices. Exact at every pose, with a continuous velocity.
    """

    def __init__(self, domain: GradientDomain, poses: Sequence[Float], turns: Float | None = None) -> None:
        self._domain = domain
        self._poses = np.stack([domain.positions, *poses])  # [K, W, 3]
        identity = np.broadcast_to(np.eye(3), (len(domain.triangles), 3, 3))
        both = [(identity, identity), *(polar(domain.gradients(pose)) for pose in poses)]
        self._rotations = RotationSpline(np.stack([rotations for rotations, _ in both]), turns)
        self._stretches = Spline(np.stack([stretches for _, stretches in both]))
        self._places = Spline(self._poses)
        self._component = parts(len(domain.positions), domain.triangles)[1]  # [W]
        count = np.bincount(self._component)
        self._counts = np.where(count > 0, count, 1)[:, None]
        self._system = domain.system(np.full(len(domain.positions), ANCHOR))

    def positions(self, t: float) -> Float:
        """Positions [W, 3] at time ``t`` in 0..1."""
        leg, share = leg_at(t, len(self._poses) - 1)
        if share in (0.0, 1.0):
            return np.array(self._poses[leg + int(share)])
        gradients = self._rotations.at(leg, share) @ self._stretches.at(leg, share)
        direct = self._places.at(leg, share)
        solved = self._system.solve(gradients, direct)
        shift = self._component_means(direct) - self._component_means(solved)
        return np.asarray(solved + shift[self._component])

    def _component_means(self, positions: Float) -> Float:
        sums = np.stack([np.bincount(self._component, positions[:, k], len(self._counts)) for k in range(3)], axis=1)
        return np.asarray(sums / self._counts)

"""``MatchedPair``: the source moved by a trained motion, and the target riding backwards on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from backend.flow.co_moving import CoMoving
from backend.flow.pace import Pace
from backend.geometry.binding import Binding
from backend.geometry.gradient_domain import GradientDomain, Poisson, polar
from backend.geometry.repair import WorkingMesh
from backend.geometry.triangles import areas, diagonal
from backend.methods.carried_pair import CarriedPair
from backend.methods.surface_morph import Motion

Float = NDArray[np.float64]

NEAR = 0.005  # distance, in diagonals of the target, within which a target vertex lies on the landed source
HELD = 100.0  # weight of a vertex that does, against the smoothness of the target around it
LOOSE = 1e-6  # weight of one that does not


class MatchedPair(CarriedPair):
    """The source as its motion carries it; the target as bound to where the source lands, taken back along with it."""

    def __init__(self, source: WorkingMesh, target: WorkingMesh, motion: Motion, frame: CoMoving, pace: Pace) -> None:
        self.source = source
        self.target = target
        self.frame = frame
        self.time_steps = motion.time_steps
        self._motion = motion
        self._pace = pace
        self._held: tuple[float, tuple[Float, Float]] | None = None  # of the last time asked for
        self._ride = _Ride(source, target, next(motion.positions([1.0])))

    def progress(self, t: float) -> float:
        return self._pace.progress(t)

    def at(self, t: float) -> tuple[Float, Float]:
        if self._held is None or self._held[0] != t:
            source = next(self._motion.positions([t]))
            self._held = t, (source, self.target.positions if t == 1.0 else self._ride.positions(source))
        return self._held[1]

    def carries(self, points: Float, times: Sequence[float]) -> Iterator[Float]:
        yield from self._motion.carries(points, times)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, values = self._motion.state()
        return arrays, {"motion": values}


class _Ride:
    """The target's vertices where the source's surface is now, and what has no counterpart as its neighbours go."""

    def __init__(self, source: WorkingMesh, target: WorkingMesh, landed: Float) -> None:
        self._target = target
        self._domain = GradientDomain(source.positions, source.triangles)
        self._landed_turns = polar(self._domain.gradients(landed))[0]  # [T, 3, 3]
        self._binding = Binding(target.positions, landed, source.triangles)
        self._to_vertices = _vertex_means(source)
        near = self._binding.distances <= NEAR * diagonal(target.positions, target.triangles)
        self._system: Poisson | None = None
        self._offsets = target.positions - self._binding.interpolate(landed[self._binding.vertices])
        if not near.all():
            domain = GradientDomain(target.positions, target.triangles)
            self._system = domain.system(np.where(near, HELD, LOOSE))

    def positions(self, source: Float) -> Float:
        """Target vertices [U, 3] when the source's are at ``source`` [W, 3]."""
        turns = polar(self._domain.gradients(source))[0] @ self._landed_turns.transpose(0, 2, 1)
        spread = np.asarray(self._to_vertices @ turns.reshape(-1, 9))[self._binding.vertices]
        turns = self._binding.interpolate(spread)  # [U, 9]
        still = self._binding.interpolate(source[self._binding.vertices])
        if self._system is None:
            return np.asarray(still + np.einsum("nij,nj->ni", _rotations(turns), self._offsets))
        none = np.zeros((len(self._target.triangles), 3, 3))
        smooth = [self._system.solve(none, turns[:, k : k + 3]) for k in (0, 3, 6)]
        turns = _rotations(np.concatenate(smooth, axis=1))
        bound = still + np.einsum("nij,nj->ni", turns, self._offsets)
        around = _rotations(turns.reshape(-1, 9)[self._target.triangles].mean(axis=1))  # [S, 3, 3]
        return np.asarray(self._system.solve(around, bound))


def _vertex_means(surface: WorkingMesh) -> sp.csr_matrix:
    """Averages values of the triangles around every vertex, by area [W, T]."""
    area = areas(surface.positions, surface.triangles)
    count = len(surface.triangles)
    rows, columns = surface.triangles.ravel(), np.repeat(np.arange(count), 3)
    sums = sp.csr_matrix((np.repeat(area, 3), (rows, columns)), shape=(len(surface.positions), count))
    total = np.asarray(sums.sum(axis=1)).ravel()
    return sp.diags(1.0 / np.maximum(total, 1e-300)) @ sums


def _rotations(matrices: Float) -> Float:
    """The rotations [N, 3, 3] nearest to matrices [N, 9]."""
    return polar(matrices.reshape(-1, 3, 3))[0]

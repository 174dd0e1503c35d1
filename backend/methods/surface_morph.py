"""``SurfaceMorph``: a morph on the source's own topology, around any motion of its surface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.repair import WorkingMesh
from backend.methods.method import Morph, Pair
from protocol.mesh import MeshData

Float = NDArray[np.float64]

FAR = 64.0  # sizes of the mesh away from its origin, from where float32 loses detail


class Motion(ABC):
    """How a surface, and the space around it, moves. Positions are relative to the surface's origin."""

    time_steps: int  # of the training; 0: any time is as good as another

    @abstractmethod
    def positions(self, times: Sequence[float]) -> Iterator[Float]:
        """The surface's vertices [W, 3] at each time."""

    @abstractmethod
    def carries(self, points: Float, times: Sequence[float]) -> Iterator[Float]:
        """Points [N, 3], given at time 0, at each time."""

    @abstractmethod
    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and plain values to make it again."""


class SurfaceMorph(Morph):
    """The artist's vertices follow the surface they were made into; stray vertices are carried along.

    ``rest`` [V, 3] is what is missing at the end, vertex by vertex (vertices that were welded and part from each other,
    stray vertices whose end is known); it is added evenly over time.
    """

    def __init__(self, source: MeshData, surface: WorkingMesh, motion: Motion, rest: Float | None = None) -> None:
        self.source = source
        self.time_steps = motion.time_steps
        self._on_surface = surface.vertex_map >= 0
        self._place = surface.vertex_map[self._on_surface]
        self.motion = motion
        self._rest = rest

    @staticmethod
    def of(pair: Pair, motion: Motion) -> SurfaceMorph:
        """The morph of a pair; it ends exactly where the pair says each vertex ends."""
        free = SurfaceMorph(pair.source, pair.source_surface, motion)
        if pair.end is None:
            return free
        missing = pair.end - pair.source.origin - next(free._moved([1.0]))
        size = float(np.abs(pair.source_surface.positions).max())
        if np.abs(missing).max() <= 1e-12 * size:
            return free
        return SurfaceMorph(pair.source, pair.source_surface, motion, missing)

    @staticmethod
    def restored(source: MeshData, surface: WorkingMesh, motion: Motion, arrays: Mapping[str, Any]) -> SurfaceMorph:
        """The morph around a restored motion, with the arrays of its ``state()``."""
        return SurfaceMorph(source, surface, motion, arrays.get("rest"))

    def with_motion(self, motion: Motion) -> SurfaceMorph:
        """The morph with the same faces around another motion of their surface."""
        changed = copy(self)
        changed.motion = motion
        return changed

    def frames(self, times: Sequence[float]) -> Iterator[MeshData]:
        for t, moved in zip(times, self._moved(times), strict=True):
            if t == 0.0:
                yield self.source
            else:
                yield self._mesh(moved)

    def carries(self, points: Float, times: Sequence[float]) -> Iterator[Float]:
        for moved in self.motion.carries(points - self.source.origin, times):
            yield moved + self.source.origin

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, values = self.motion.state()
        return (arrays if self._rest is None else arrays | {"rest": self._rest}), values

    def _mesh(self, moved: Float) -> MeshData:
        """The source at positions [V, 3] relative to its origin; far from there, with an origin of its own."""
        low, high = moved.min(axis=0), moved.max(axis=0)
        far = np.abs(moved).max() > FAR * (high - low).max()
        away = np.round((low + high) / 2 / self.source.scale) * self.source.scale if far else np.zeros(3)
        vertices = np.ascontiguousarray((moved - away) / self.source.scale, np.float32)
        return replace(self.source, vertices=vertices, origin=self.source.origin + away)

    def _moved(self, times: Sequence[float]) -> Iterator[Float]:
        """Every vertex [V, 3] of the artist's mesh at each time, relative to the origin."""
        stray = (self.source.scale * self.source.vertices.astype(np.float64))[~self._on_surface]
        strays = self.motion.carries(stray, times) if len(stray) else iter([stray] * len(times))
        for t, surface, loose in zip(times, self.motion.positions(times), strays, strict=True):
            moved = np.empty((self.source.n_vertices, 3))
            moved[self._on_surface] = surface[self._place]
            moved[~self._on_surface] = loose
            yield moved if self._rest is None else moved + t * self._rest

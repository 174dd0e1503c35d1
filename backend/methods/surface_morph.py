"""``SurfaceMorph``: a morph on the source's own topology, around any motion of its surface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.repair import WorkingMesh
from backend.methods.method import Morph
from protocol.mesh import MeshData

Float = NDArray[np.float64]


class Motion(ABC):
    """How a surface, and the space around it, moves. Positions are relative to the surface's origin."""

    time_steps: int

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
    """The artist's vertices follow the surface they were made into; stray vertices are carried along."""

    def __init__(self, source: MeshData, surface: WorkingMesh, motion: Motion) -> None:
        self.source = source
        self.time_steps = motion.time_steps
        self._on_surface = surface.vertex_map >= 0
        self._place = surface.vertex_map[self._on_surface]
        self._motion = motion

    def frames(self, times: Sequence[float]) -> Iterator[MeshData]:
        stray = self._relative(self.source)[~self._on_surface]
        strays = self._motion.carries(stray, times) if len(stray) else iter([stray] * len(times))
        for t, surface, loose in zip(times, self._motion.positions(times), strays, strict=True):
            if t == 0.0:
                yield self.source
                continue
            moved = np.empty((self.source.n_vertices, 3))
            moved[self._on_surface] = surface[self._place]
            moved[~self._on_surface] = loose
            yield replace(self.source, vertices=np.ascontiguousarray(moved / self.source.scale, np.float32))

    def carries(self, points: Float, times: Sequence[float]) -> Iterator[Float]:
        for moved in self._motion.carries(points - self.source.origin, times):
            yield moved + self.source.origin

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return self._motion.state()

    @staticmethod
    def _relative(mesh: MeshData) -> Float:
        return mesh.scale * mesh.vertices.astype(np.float64)

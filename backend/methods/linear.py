"""Baseline: every vertex goes along a straight line, as a plain shape key does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from backend.geometry.binding import Binding
from backend.geometry.repair import WorkingMesh, working_mesh
from backend.methods.method import Method, Morph, Pair
from backend.methods.settings import NoSettings
from backend.methods.surface_morph import Float, Motion, SurfaceMorph
from backend.methods.targets import landing_of
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingValue


class LinearMotion(Motion):
    """x(t) = (1 - t) x(0) + t x(1); carried points take on the displacement of the nearest surface point."""

    time_steps = 0

    def __init__(self, surface: WorkingMesh, end: Float) -> None:
        self._surface = surface
        self._end = end  # [W, 3]

    def positions(self, times: Sequence[float]) -> Iterator[Float]:
        for t in times:
            yield self._end if t == 1.0 else (1.0 - t) * self._surface.positions + t * self._end

    def carries(self, points: Float, times: Sequence[float]) -> Iterator[Float]:
        binding = Binding(points, self._surface.positions, self._surface.triangles)
        displacement = binding.interpolate((self._end - self._surface.positions)[binding.vertices])
        for t in times:
            yield points + t * displacement

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {"end": self._end}, {}


class Linear(Method):
    """Straight lines from every vertex to where it lands on the target."""

    name: ClassVar[str] = "linear"
    label: ClassVar[str] = "Linear"
    doc: ClassVar[str] = "Straight lines, as a plain shape key: instant, but limbs shrink while they turn"
    needs_correspondence: ClassVar[bool] = True
    settings_type: ClassVar[type] = NoSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {"draft": {}, "standard": {}, "high": {}}

    def fit(self, pair: Pair, settings: NoSettings, run: Run) -> Morph:
        end = landing_of(pair).positions
        return SurfaceMorph.of(pair, LinearMotion(pair.source_surface, end))

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        surface = working_mesh(source, "source")
        end = np.asarray(arrays["end"], np.float64)
        return SurfaceMorph.restored(source, surface, LinearMotion(surface, end), arrays)

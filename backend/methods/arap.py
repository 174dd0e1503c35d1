"""Baseline: as-rigid-as-possible in-betweens by interpolating the rotation and stretch of every triangle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from backend.geometry.binding import Binding
from backend.geometry.gradient_domain import GradientDomain, GradientDomainPath
from backend.geometry.repair import WorkingMesh, working_mesh
from backend.methods.method import Method, Morph, Pair
from backend.methods.settings import NoSettings
from backend.methods.surface_morph import Float, Motion, SurfaceMorph
from backend.methods.targets import landing_of
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingValue


class ArapMotion(Motion):
    """The gradient-domain path; carried points take on the displacement of the nearest surface point."""

    time_steps = 0

    def __init__(self, surface: WorkingMesh, end: Float) -> None:
        self._surface = surface
        self._end = end  # [W, 3]
        self._path = GradientDomainPath(GradientDomain(surface.positions, surface.triangles), end)

    def positions(self, times: Sequence[float]) -> Iterator[Float]:
        for t in times:
            yield self._path.positions(t)

    def carries(self, points: Float, times: Sequence[float]) -> Iterator[Float]:
        binding = Binding(points, self._surface.positions, self._surface.triangles)
        for t in times:
            yield points + binding.interpolate((self._path.positions(t) - self._surface.positions)[binding.vertices])

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {"end": self._end}, {}


class Arap(Method):
    """Rotations and stretches of the triangles are interpolated, and the mesh that fits them best is solved for."""

    name: ClassVar[str] = "arap"
    label: ClassVar[str] = "As rigid as possible"
    doc: ClassVar[str] = "Triangles turn instead of shrinking: seconds, but nothing around the surface is moved"
    needs_correspondence: ClassVar[bool] = True
    settings_type: ClassVar[type] = NoSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {"draft": {}, "standard": {}, "high": {}}

    def fit(self, pair: Pair, settings: NoSettings, run: Run) -> Morph:
        end = landing_of(pair).positions
        return SurfaceMorph.of(pair, ArapMotion(pair.source_surface, end))

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        surface = working_mesh(source, "source")
        end = np.asarray(arrays["end"], np.float64)
        return SurfaceMorph.restored(source, surface, ArapMotion(surface, end), arrays)

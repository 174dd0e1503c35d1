"""Baseline: every vertex goes along a straight line, as a plain shape key does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from numpy.typing import NDArray

from backend.geometry.binding import Binding
from backend.geometry.repair import WorkingMesh, working_mesh
from backend.geometry.spline import leg_at
from backend.methods.method import Method, Morph, Pair
from backend.methods.sequence import kept_poses, poses_arrays, poses_of
from backend.methods.settings import NoSettings
from backend.methods.surface_morph import Float, Motion, SurfaceMorph
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingValue


class LinearMotion(Motion):
    """Straight lines from pose to pose; carried points take on the displacement of the nearest surface point."""

    time_steps = 0

    def __init__(self, surface: WorkingMesh, poses: Sequence[Float]) -> None:
        """``poses`` [W, 3]: the stops, and the end."""
        self._surface = surface
        self._poses = [surface.positions, *poses]

    def positions(self, times: Sequence[float]) -> Iterator[Float]:
        for t in times:
            leg, share = leg_at(t, len(self._poses) - 1)
            first, last = self._poses[leg : leg + 2]
            yield last if share == 1.0 else (1.0 - share) * first + share * last

    def carries(self, points: Float, times: Sequence[float]) -> Iterator[Float]:
        binding = Binding(points, self._surface.positions, self._surface.triangles)
        for t, moved in zip(times, self.positions(times), strict=True):
            displacement = binding.interpolate((moved - self._surface.positions)[binding.vertices])
            yield points if t == 0.0 else points + displacement

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return poses_arrays(self._poses[1:]), {}


class Linear(Method):
    """Straight lines from every vertex to where it lands on the target."""

    name: ClassVar[str] = "linear"
    label: ClassVar[str] = "Linear"
    doc: ClassVar[str] = "Straight lines, as a plain shape key: instant, but limbs shrink while they turn"
    needs_correspondence: ClassVar[bool] = True
    passes_stops: ClassVar[bool] = True
    settings_type: ClassVar[type] = NoSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {"draft": {}, "standard": {}, "high": {}}

    def fit(self, pair: Pair, settings: NoSettings, run: Run) -> Morph:
        return SurfaceMorph.of(pair, LinearMotion(pair.source_surface, poses_of(pair)[1:]))

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        surface = working_mesh(source, "source")
        return SurfaceMorph.restored(source, surface, LinearMotion(surface, kept_poses(arrays)), arrays)

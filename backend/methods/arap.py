"""Baseline: as-rigid-as-possible in-betweens by interpolating the rotation and stretch of every triangle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from numpy.typing import NDArray

from backend.geometry.binding import Binding
from backend.geometry.repair import WorkingMesh, working_mesh
from backend.methods.method import Method, Morph, Pair
from backend.methods.sequence import kept_poses, pose_path, poses_arrays, poses_of
from backend.methods.settings import NoSettings
from backend.methods.surface_morph import Float, Motion, SurfaceMorph
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingValue


class ArapMotion(Motion):
    """The gradient-domain path; carried points take on the displacement of the nearest surface point."""

    time_steps = 0

    def __init__(self, surface: WorkingMesh, poses: Sequence[Float]) -> None:
        """``poses`` [W, 3]: the stops, and the end."""
        self._surface = surface
        self._poses = poses
        self._path = pose_path(surface, poses)

    def positions(self, times: Sequence[float]) -> Iterator[Float]:
        for t in times:
            yield self._path.positions(t)

    def carries(self, points: Float, times: Sequence[float]) -> Iterator[Float]:
        binding = Binding(points, self._surface.positions, self._surface.triangles)
        for t in times:
            yield points + binding.interpolate((self._path.positions(t) - self._surface.positions)[binding.vertices])

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return poses_arrays(self._poses), {}


class Arap(Method):
    """Rotations and stretches of the triangles are interpolated, and the mesh that fits them best is solved for."""

    name: ClassVar[str] = "arap"
    label: ClassVar[str] = "As rigid as possible"
    doc: ClassVar[str] = "Triangles turn instead of shrinking: seconds, but nothing around the surface is moved"
    needs_correspondence: ClassVar[bool] = True
    passes_stops: ClassVar[bool] = True
    settings_type: ClassVar[type] = NoSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {"draft": {}, "standard": {}, "high": {}}

    def fit(self, pair: Pair, settings: NoSettings, run: Run) -> Morph:
        return SurfaceMorph.of(pair, ArapMotion(pair.source_surface, poses_of(pair)[1:]))

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        surface = working_mesh(source, "source")
        return SurfaceMorph.restored(source, surface, ArapMotion(surface, kept_poses(arrays)), arrays)

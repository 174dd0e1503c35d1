"""The default method: an explicit velocity field V(x, t), trained on a good path and integrated.

Sang et al., Implicit Neural Surface Deformation with Explicit Velocity Fields, ICLR 2025 (INSD), with the losses of
Sang et al., 4Deform, CVPR 2025. Where and why this differs from the papers is argued in docs/METHODS.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from backend.device import choose_device
from backend.geometry.repair import working_mesh
from backend.methods.method import Method, Morph, Pair
from backend.methods.surface_morph import SurfaceMorph
from backend.methods.velocity_fit import fit_motion
from backend.methods.velocity_motion import VelocityMotion
from backend.methods.velocity_settings import PRESETS, VelocitySettings
from backend.methods.velocity_surface import fit_surface, restore_surface
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingValue


class VelocityField(Method):
    """A velocity field between the two shapes; everything in space, not only the surface, can ride on it."""

    name: ClassVar[str] = "velocity_field"
    label: ClassVar[str] = "Velocity field"
    doc: ClassVar[str] = "A trained flow between both shapes: natural in-betweens, exact ends, other objects ride along"
    needs_correspondence: ClassVar[bool] = True
    passes_stops: ClassVar[bool] = True
    topologies: ClassVar[tuple[str, ...]] = ("keep", "remesh")
    settings_type: ClassVar[type] = VelocitySettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = PRESETS

    def fit(self, pair: Pair, settings: VelocitySettings, run: Run) -> Morph:
        if pair.topology == "remesh":
            return fit_surface(pair, settings, run)
        return SurfaceMorph.of(pair, fit_motion(pair, settings, run, 1.0, lambda motion: SurfaceMorph.of(pair, motion)))

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        if "field" in values:
            return restore_surface(source, arrays, values)
        surface = working_mesh(source, "source")
        motion = VelocityMotion.restore(surface, dict(arrays), dict(values), choose_device("cpu"))
        return SurfaceMorph.restored(source, surface, motion, arrays)

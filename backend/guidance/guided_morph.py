"""``GuidedMorph``: a morph and the layers on it, one for each match to outlines, the first one first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from backend.geometry.arrays import Float64
from backend.guidance.guided_field import GuidedField
from backend.guidance.guided_motion import GuidedMotion
from backend.guidance.layer import Layer
from backend.methods.field_morph import FieldMorph
from backend.methods.method import Morph
from backend.methods.surface_morph import SurfaceMorph
from protocol.mesh import MeshData
from protocol.settings import SettingError


class GuidedMorph(Morph):
    """Where no layer counts, and at both ends, its frames are those of the morph below."""

    def __init__(self, base: Morph, layers: Sequence[Layer]) -> None:
        self.base = base
        self.layers = tuple(layers)
        self.source = base.source
        self.time_steps = base.time_steps
        self.whole = _guided(base, self.layers)

    @property
    def timed_by(self) -> Morph:
        return self.base.timed_by

    def at_resolution(self, resolution: int, *, largest_part: bool = False) -> GuidedMorph:
        return GuidedMorph(self.base.at_resolution(resolution, largest_part=largest_part), self.layers)

    def frames(self, times: Sequence[float]) -> Iterator[MeshData]:
        return self.whole.frames(times)

    def carries(self, points: Float64, times: Sequence[float]) -> Iterator[Float64]:
        return self.whole.carries(points, times)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Of the morph below, from which its method makes it again; the layers have states of their own."""
        return self.base.state()


def _guided(base: Morph, layers: Sequence[Layer]) -> SurfaceMorph | FieldMorph:
    if isinstance(base, SurfaceMorph):
        motion = base.motion
        for layer in layers:
            motion = GuidedMotion(motion, layer)
        return base.with_motion(motion)
    if isinstance(base, FieldMorph):
        field = base.field
        for layer in layers:
            field = GuidedField(field, layer)
        return base.with_field(field)
    raise SettingError(
        "frames of this method cannot be matched to outlines: it moves neither the source's own faces nor a field; "
        "choose another method"
    )

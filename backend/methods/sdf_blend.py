"""The plain baseline of volume tools: signed distances of both ends blended, or one surface advected to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from backend.flow.co_moving import CoMoving
from backend.flow.pace import Pace
from backend.geometry.repair import WorkingMesh, working_pair
from backend.geometry.sides import CELLS, Sides, sides_of
from backend.methods.arap import ArapMotion
from backend.methods.carried_pair import CarriedPair, RigidPair
from backend.methods.field_morph import FieldMorph
from backend.methods.matched_pair import MatchedPair
from backend.methods.method import Method, Morph, Pair
from backend.methods.sdf_fields import AdvectedField, BlendedField, CarriedField, advected
from backend.methods.settings import setting
from backend.methods.targets import frame_of
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingValue

Float = NDArray[np.float64]


@dataclass(frozen=True)
class SdfBlendSettings:
    """Settings of the baseline; there is nothing to train."""

    mode: str = setting(
        "blend",
        "blend: the distances of both ends are mixed; advect: the source's surface grows and wears until it is the "
        "target's",
        choices=("blend", "advect"),
    )
    carried: bool = setting(
        False, "Blend the surfaces carried along by the match, where one is known, so that limbs move (blend)"
    )
    grid_resolution: int = setting(
        64, "Cells along the longest side of the grid (advect)", minimum=16, maximum=512, unit="cells"
    )
    thickness: float = setting(
        0.0,
        "Thickness given to surfaces without an inside, in units of the scene; 0: two cells at 128",
        minimum=0.0, maximum=1e12, unit="units",
    )  # fmt: skip


class SdfBlend(Method):
    """Distances of both ends in the co-moving frame of the pair; see docs/METHODS.md."""

    name: ClassVar[str] = "sdf_blend"
    label: ClassVar[str] = "Distance blend"
    doc: ClassVar[str] = "Blends or grows one shape into the other as volume tools do: any topology, no match needed"
    needs_correspondence: ClassVar[bool] = False
    topologies: ClassVar[tuple[str, ...]] = ("remesh",)
    settings_type: ClassVar[type] = SdfBlendSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {
        "draft": {"grid_resolution": 48},
        "standard": {},
        "high": {"grid_resolution": 96},
    }

    def fit(self, pair: Pair, settings: SdfBlendSettings, run: Run) -> Morph:
        carried = _carried(pair, settings, run)
        with run.phase("distances"):
            thickness = [settings.thickness] * 2 if settings.thickness else _thickness(carried)
            sides = _sides(carried, thickness)
            for side, role in zip(sides, ("source", "target"), strict=True):
                for sentence in side.said(role):
                    run.warn(sentence)
        if isinstance(carried, MatchedPair):
            assert pair.landing is not None
            return FieldMorph(pair.source, pair.target, CarriedField(carried, sides, pair.landing.positions))
        assert isinstance(carried, RigidPair)
        field = BlendedField(carried, sides)
        if settings.mode == "blend":
            return FieldMorph(pair.source, pair.target, field)
        with run.phase("advecting"):
            return FieldMorph(pair.source, pair.target, advected(field, settings.grid_resolution, pair, run))

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        target = FieldMorph.target_of(arrays, values)
        a, b = working_pair(source, target)
        own = values["field"]
        frame = CoMoving.from_state(own["frame"])
        resolution = values["resolution"]
        if own["kind"] == "carried":
            end = np.asarray(arrays["end"], np.float64)
            matched = _matched(a, b, end, frame)
            return FieldMorph(source, target, CarriedField(matched, _sides(matched, own["thickness"]), end), resolution)
        rigid = RigidPair(a, b, frame)
        blend = BlendedField(rigid, _sides(rigid, own["thickness"]))
        if own["kind"] == "advected":
            return FieldMorph(source, target, AdvectedField.restored(blend, arrays, own), resolution)
        return FieldMorph(source, target, blend, resolution)


def _carried(pair: Pair, settings: SdfBlendSettings, run: Run) -> CarriedPair:
    """Both surfaces in motion, as far as the settings ask for it and a match is known."""
    frame = frame_of(pair, run)
    if settings.carried and settings.mode == "advect":
        run.warn("advect moves the surface by itself, so carried has no effect")
    elif settings.carried and pair.landing is None:
        run.warn("no match of the two meshes is known, so their surfaces are only turned, grown and shifted together")
    elif settings.carried and pair.landing is not None:
        return _matched(pair.source_surface, pair.target_surface, pair.landing.positions, frame)
    return RigidPair(pair.source_surface, pair.target_surface, frame)


def _matched(source: WorkingMesh, target: WorkingMesh, end: Float, frame: CoMoving) -> MatchedPair:
    return MatchedPair(source, target, ArapMotion(source, [end]), frame, Pace(0.0))


def _sides(carried: CarriedPair, thickness: Sequence[float]) -> tuple[Sides, Sides]:
    """What is inside of both surfaces; ``thickness`` of the shells at either end."""
    a, b = carried.source, carried.target
    return sides_of(a.positions, a.triangles, thickness[0]), sides_of(b.positions, b.triangles, thickness[1])


def _thickness(carried: CarriedPair) -> list[float]:
    """Two cells of the box of both surfaces at the start and at the end."""
    return [float(CELLS * np.ptp(np.concatenate(carried.at(t)), axis=0).max()) for t in (0.0, 1.0)]

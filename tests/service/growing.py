"""A method from outside the backend whose frames have faces of their own: a ball that grows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from backend.flow.co_moving import CoMoving
from backend.geometry.repair import working_mesh
from backend.methods.carried_pair import RigidPair
from backend.methods.field_morph import FieldMorph, MovingField
from backend.methods.method import Method, Morph, Pair
from backend.methods.settings import setting
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingValue

Float = NDArray[np.float64]


@dataclass(frozen=True)
class GrowingSettings:
    radius: float = setting(0.5, "Radius at the end", minimum=0.0, maximum=10.0)
    seconds: float = setting(0.0, "Time of the training", minimum=0.0, maximum=100.0, unit="s")


class GrowingField(MovingField):
    """|x| - r(t), the radius going from 0.2 to ``radius``."""

    slope = 1.0

    def __init__(self, source: MeshData, target: MeshData, radius: float) -> None:
        still = CoMoving((0.0, 0.0, 0.0), 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0)
        self.carried = RigidPair(working_mesh(source, "source"), working_mesh(target, "target"), still)
        self._radius = radius

    def values(self, points: Float, t: float) -> Float:
        return np.asarray(np.linalg.norm(points, axis=1) - ((1.0 - t) * 0.2 + t * self._radius))

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {}, {"radius": self._radius}


class Growing(Method):
    """Needs no match and makes a surface of its own in every frame."""

    name: ClassVar[str] = "growing"
    label: ClassVar[str] = "Growing"
    doc: ClassVar[str] = "A ball that grows, whatever the meshes are"
    needs_correspondence: ClassVar[bool] = False
    topologies: ClassVar[tuple[str, ...]] = ("remesh",)
    settings_type: ClassVar[type] = GrowingSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {"standard": {}}

    def fit(self, pair: Pair, settings: GrowingSettings, run: Run) -> Morph:
        assert pair.topology == "remesh"
        morph = FieldMorph(pair.source, pair.target, GrowingField(pair.source, pair.target, settings.radius))
        with run.phase("training"):
            run.progress(0, 1, 1.0)
            run.preview(lambda: morph)
            time.sleep(settings.seconds)
        return morph

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        target = FieldMorph.target_of(arrays, values)
        field = GrowingField(source, target, values["field"]["radius"])
        return FieldMorph(source, target, field, values["resolution"])

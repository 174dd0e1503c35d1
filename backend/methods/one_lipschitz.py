"""``one_lipschitz``: one network of space and time, each of whose frames is 1-Lipschitz in space.

The layers of Coiffier and Bethune, 1-Lipschitz Neural Distance Fields, SGP 2024, with time beside the coordinates: no
published method, so all of it is argued in docs/METHODS.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from backend.fields.one_lipschitz import OneLipschitz
from backend.methods.bounded_field import BoundedField
from backend.methods.field_morph import FieldMorph
from backend.methods.method import Method, Morph, Pair
from backend.methods.posed_shapes import posed_shapes, restored_pair
from backend.methods.settings import setting
from backend.training.bounded_fit import BoundedFit, fit_in_time
from backend.training.run import Run
from backend.training.schedule import Cosine
from protocol.mesh import MeshData
from protocol.settings import SettingValue

PREVIEW = 32  # cells along the longest side


@dataclass(frozen=True)
class OneLipschitzMorphSettings:
    """Settings of ``one_lipschitz``. Lengths are in the frame of the pair, whose box has a longest side of about 2."""

    steps: int = setting(3000, "Training steps", minimum=0, maximum=1_000_000, unit="steps")
    known: int = setting(
        384, "Points of each shape whose distance is known, in every step", minimum=1, maximum=1_000_000, unit="points"
    )
    mixed: int = setting(
        256, "Points between the shapes in every step, that keep what is outside of all shapes outside",
        minimum=1, maximum=1_000_000, unit="points",
    )  # fmt: skip
    width: int = setting(128, "Width of the network's layers", minimum=8, maximum=2048)
    depth: int = setting(6, "Layers of the network", minimum=2, maximum=64)
    learning_rate: float = setting(1e-2, "Learning rate at the start", minimum=1e-7, maximum=1.0)
    haste: float = setting(
        3.0, "How fast the field may change, in times what the shapes ask for: lower is smoother in time, less exact",
        minimum=1.0, maximum=100.0,
    )  # fmt: skip
    correction: bool = setting(True, "Exact shapes at both ends: near them in time the network gives way to them")


class OneLipschitzMorph(Method):
    """The source at 0 and the target at 1; nowhere steeper than 1 in space, nor than its pace in time."""

    name: ClassVar[str] = "one_lipschitz"
    label: ClassVar[str] = "1-Lipschitz network"
    doc: ClassVar[str] = (
        "One network that never promises more room than there is, at any time: any topology, no match needed; shapes "
        "melt, they do not move"
    )
    needs_correspondence: ClassVar[bool] = False
    passes_stops: ClassVar[bool] = True
    topologies: ClassVar[tuple[str, ...]] = ("remesh",)
    settings_type: ClassVar[type] = OneLipschitzMorphSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {
        "draft": {"steps": 1000},
        "standard": {},
        "high": {"steps": 10_000, "depth": 8},
    }

    def fit(self, pair: Pair, settings: OneLipschitzMorphSettings, run: Run) -> Morph:
        carried, stops, shapes = posed_shapes(pair, run)

        def preview(network: OneLipschitz, pace: float) -> Morph:
            shown = BoundedField(carried, stops, network, pace, np.zeros(1), corrected=False)
            return FieldMorph(pair.source, pair.target, shown, PREVIEW)

        fit = BoundedFit(
            steps=run.steps(settings.steps),
            schedule=Cosine(settings.learning_rate),
            width=settings.width,
            depth=settings.depth,
            known=settings.known,
            mixed=settings.mixed,
            haste=settings.haste,
        )
        with run.phase("training"):
            network, pace, levels, outcome = fit_in_time(shapes, fit, run, preview)
        run.facts |= outcome.facts("training") | {"pace": pace}
        trained = BoundedField(carried, stops, network.at_rest(), pace, levels, corrected=settings.correction)
        return FieldMorph(pair.source, pair.target, trained)

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        target = FieldMorph.target_of(arrays, values)
        carried = restored_pair(source, target, values["field"])
        return FieldMorph(source, target, BoundedField.restored(carried, arrays, values["field"]), values["resolution"])

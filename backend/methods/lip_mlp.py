"""``lip_mlp``: both shapes in one Lipschitz-bounded network with time as the latent code.

Liu et al., Learning Smooth Neural Functions via Lipschitz Regularization, SIGGRAPH 2022, in the setting in which
Sang et al., ICLR 2025 (INSD), compare with it. Where and why this differs is argued in docs/METHODS.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from backend.fields.lipschitz_mlp import LipschitzMlp
from backend.fields.mlp import MlpShape
from backend.methods.field_morph import FieldMorph
from backend.methods.latent_error import seconds_to_measure
from backend.methods.latent_field import LatentField
from backend.methods.method import Method, Morph, Pair
from backend.methods.posed_shapes import latent_morph, legs, posed_shapes, restored_latent
from backend.methods.settings import setting
from backend.training.run import Run
from backend.training.schedule import Cosine, Halving, Schedule
from backend.training.shape_fit import ShapeFit, fit_shapes
from protocol.mesh import MeshData
from protocol.settings import SettingValue

ENDLESS = 1_000_000_000  # steps
PREVIEW = 32  # cells along the longest side


@dataclass(frozen=True)
class LipMlpSettings:
    """Settings of ``lip_mlp``. Lengths are in the frame of the pair, whose box has a longest side of about 2."""

    steps: int = setting(3000, "Training steps", minimum=0, maximum=1_000_000, unit="steps")
    batch: int = setting(
        0, "Points on each shape, and as many around it, in every step: surface, normal and eikonal losses",
        minimum=0, maximum=1_000_000, unit="points",
    )  # fmt: skip
    known: int = setting(
        1024, "Points of each shape whose distance is known, in every step; 0: the paper's losses alone",
        minimum=0, maximum=1_000_000, unit="points",
    )  # fmt: skip
    mixed: int = setting(
        512, "Points between the shapes in every step, that keep what is outside of all shapes outside",
        minimum=0, maximum=1_000_000, unit="points",
    )  # fmt: skip
    width: int = setting(128, "Width of the network's layers", minimum=8, maximum=2048)
    depth: int = setting(4, "Hidden layers of the network", minimum=1, maximum=16)
    activation: str = setting("sine", "Between the layers; softplus is the paper's", choices=("sine", "softplus"))
    learning_rate: float = setting(8e-3, "Learning rate at the start", minimum=1e-7, maximum=1.0)
    halving: bool = setting(False, "Halve the learning rate every 2,000 steps, as published, instead of a cosine")
    lipschitz: float = setting(1e-6, "Weight of the product of all Lipschitz bounds", minimum=0.0, maximum=1.0)
    space_frequency: float = setting(
        3.0, "Detail in space that a sine network starts with", minimum=0.1, maximum=100.0, unit="radians per unit"
    )
    code_frequency: float = setting(
        1.0, "The same along the way from shape to shape", minimum=0.01, maximum=100.0, unit="radians per unit"
    )
    correction: bool = setting(
        True, "Exact shapes at both ends: near them in time the network's error is taken away, smoothly"
    )


class LipMlp(Method):
    """One smooth function of space and time whose zero level is the source at 0 and the target at 1."""

    name: ClassVar[str] = "lip_mlp"
    label: ClassVar[str] = "Lipschitz network"
    doc: ClassVar[str] = (
        "One smooth network for both shapes: any topology, no match needed; shapes melt, they do not move"
    )
    needs_correspondence: ClassVar[bool] = False
    passes_stops: ClassVar[bool] = True
    topologies: ClassVar[tuple[str, ...]] = ("remesh",)
    settings_type: ClassVar[type] = LipMlpSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {
        "draft": {"steps": 1200},
        "standard": {},
        "high": {"steps": 8000, "width": 192, "known": 2048},
        "paper": {
            "steps": 10_000,
            "batch": 1000,
            "known": 0,
            "mixed": 0,
            "width": 512,
            "depth": 8,
            "activation": "softplus",
            "learning_rate": 1e-3,
            "halving": True,
            "lipschitz": 1e-10,
            "correction": False,
        },
    }

    def fit(self, pair: Pair, settings: LipMlpSettings, run: Run) -> Morph:
        carried, stops, shapes = posed_shapes(pair, run)

        def field(network: LipschitzMlp, corrected: bool) -> LatentField:
            return LatentField(carried, stops, network.normalised(), corrected=corrected)

        def preview(network: LipschitzMlp) -> Morph:
            return FieldMorph(pair.source, pair.target, field(network, False), PREVIEW)

        codes = np.linspace(0.0, 1.0, len(shapes))[:, None]
        with run.phase("training"):
            fit = _fit(settings, run)
            reserve = seconds_to_measure(_form(fit), run)
            network, outcome = fit_shapes(
                shapes, codes, fit, run, mixtures=legs(shapes), reserve=reserve, preview=preview
            )
        run.facts["training_steps"] = outcome.steps
        run.facts["training_loss"] = outcome.best_loss
        run.facts["lipschitz_log_bound"] = float(network.log_bound().detach())
        return latent_morph(pair, lambda corrected: field(network, corrected), settings.correction, run)

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        return restored_latent(source, arrays, values)


def _fit(settings: LipMlpSettings, run: Run) -> ShapeFit:
    """Presets stop by steps; with a time budget, time alone ends the training."""
    rate: Schedule = Halving(settings.learning_rate) if settings.halving else Cosine(settings.learning_rate)
    return ShapeFit(
        steps=settings.steps if run.seconds is None else ENDLESS,
        schedule=rate,
        width=settings.width,
        depth=settings.depth,
        activation=settings.activation,
        batch=settings.batch,
        known=settings.known,
        mixed=settings.mixed,
        lipschitz_weight=settings.lipschitz,
        space_frequency=settings.space_frequency,
        code_frequency=settings.code_frequency,
    )


def _form(fit: ShapeFit) -> MlpShape:
    return MlpShape(4, 1, fit.width, fit.depth, fit.activation)

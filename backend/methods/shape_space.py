"""``shape_space``: all shapes of a motion in one network, each at a code of its own, and the way through the codes.

Gropp et al., ICML 2020 (IGR), section 5.2: the auto-decoder of ``backend/surfaces/space``, here of two shapes or a
few. Where and why this differs is argued in docs/METHODS.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from backend.fields.mlp import Mlp, MlpShape
from backend.methods.field_morph import FieldMorph
from backend.methods.latent_error import seconds_to_measure
from backend.methods.latent_field import LatentField
from backend.methods.method import Method, Morph, Pair
from backend.methods.posed_shapes import latent_morph, legs, posed_shapes, restored_latent, sampled
from backend.methods.settings import setting
from backend.surfaces.space.network import SpaceNetwork
from backend.surfaces.space.settings import SpaceSettings, preset
from backend.surfaces.space.training import train_space
from backend.training.mixtures import Mixtures
from backend.training.run import Run
from backend.training.shape_samples import Shape
from protocol.mesh import MeshData
from protocol.settings import SettingValue

PREVIEW = 32  # cells along the longest side


@dataclass(frozen=True)
class ShapeSpaceSettings:
    """Settings of ``shape_space``. Lengths are in the frame of the pair, whose box has a longest side of about 2."""

    steps: int = setting(2500, "Training steps", minimum=0, maximum=10_000_000, unit="steps")
    known: int = setting(
        1024, "Points of each shape whose distance is known, in every step", minimum=0, maximum=1_000_000, unit="points"
    )
    batch: int = setting(
        0, "Points on each shape, and as many around it, in every step: the paper's losses",
        minimum=0, maximum=1_000_000, unit="points",
    )  # fmt: skip
    mixed: int = setting(
        512, "Points between the shapes in every step, that keep what is outside of all shapes outside",
        minimum=0, maximum=1_000_000, unit="points",
    )  # fmt: skip
    code: int = setting(8, "Numbers in a latent code", minimum=1, maximum=4096)
    width: int = setting(128, "Width of the network's layers", minimum=8, maximum=2048)
    depth: int = setting(4, "Hidden layers of the network", minimum=1, maximum=16)
    activation: str = setting("sine", "Between the layers; softplus is the paper's", choices=("sine", "softplus"))
    learning_rate: float = setting(5e-3, "Learning rate at the start", minimum=1e-7, maximum=1.0)
    halving: int = setting(
        0, "Halve the learning rate every so many steps, as published; 0: a cosine", minimum=0, maximum=1_000_000
    )
    space_frequency: float = setting(
        3.0, "Detail in space that a sine network starts with", minimum=0.1, maximum=100.0, unit="radians per unit"
    )
    correction: bool = setting(
        True, "Exact shapes at both ends: near them in time the network's error is taken away, smoothly"
    )


class ShapeSpaceMorph(Method):
    """A space of the source, the stops and the target; time goes along a spline through their codes."""

    name: ClassVar[str] = "shape_space"
    label: ClassVar[str] = "Shape space"
    doc: ClassVar[str] = "A small shape space of all poses: any topology, no match needed; passes through poses"
    needs_correspondence: ClassVar[bool] = False
    passes_stops: ClassVar[bool] = True
    topologies: ClassVar[tuple[str, ...]] = ("remesh",)
    settings_type: ClassVar[type] = ShapeSpaceSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {
        "draft": {"steps": 1000},
        "standard": {},
        "high": {"steps": 7000, "width": 192, "known": 2048},
        "paper": {
            "steps": 10_000,
            "batch": 8000,
            "known": 0,
            "mixed": 0,
            "code": 256,
            "width": 512,
            "depth": 8,
            "activation": "softplus",
            "halving": 500,
            "correction": False,
        },
    }

    def fit(self, pair: Pair, settings: ShapeSpaceSettings, run: Run) -> Morph:
        carried, stops, shapes = posed_shapes(pair, run)
        network = SpaceNetwork(_space_settings(settings, len(shapes)), len(shapes))
        network.start_(torch.Generator().manual_seed(run.seed))
        network = network.to(run.device)

        def field(corrected: bool) -> LatentField:
            codes = network.codes.detach().cpu().numpy().astype(np.float64)
            return LatentField(carried, stops, points_first(network.mlp), corrected=corrected, codes=codes)

        def preview() -> Morph:
            return FieldMorph(pair.source, pair.target, field(False), PREVIEW)

        _train(network, shapes, settings, run, preview)
        return latent_morph(pair, field, settings.correction, run)

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        return restored_latent(source, arrays, values)


def points_first(given: Mlp) -> Mlp:
    """A network of code and point as one of point and code, the order of ``LatentField``; at rest."""
    form = given.shape
    turned = Mlp(form).to(given.layer(0).weight.device)
    turned.load_state_dict(given.state_dict())
    with torch.no_grad():
        for index in {0, form.skip or 0}:
            weight = given.layer(index).weight
            entered = weight[:, -form.inputs :]  # [O, C + 3]
            turned.layer(index).weight[:, -form.inputs :] = torch.cat([entered[:, -3:], entered[:, :-3]], dim=1)
    return turned.requires_grad_(False)


def _train(network: SpaceNetwork, shapes: list[Shape], settings: ShapeSpaceSettings, run: Run, preview: Any) -> None:
    """Every pose and, between neighbours in time, their envelope."""
    samples, shared = sampled(shapes, run, labels=settings.known > 0, between=settings.mixed > 0)
    mixtures = None if shared is None else Mixtures(shared, legs(shapes), settings.mixed)
    form: MlpShape = network.mlp.shape
    outcome = train_space(
        network, samples, run, mixtures=mixtures, reserve=seconds_to_measure(form, run), preview=preview
    )
    run.facts |= outcome.facts("training")


def _space_settings(settings: ShapeSpaceSettings, shapes: int) -> SpaceSettings:
    """The space that a motion through so many poses is trained in; all of them are in every step."""
    base = preset("paper" if settings.halving else "fast", shapes)
    return replace(
        base,
        steps=settings.steps,
        shapes=shapes,
        known=settings.known,
        batch=settings.batch,
        code=settings.code,
        width=settings.width,
        depth=settings.depth,
        activation=settings.activation,
        learning_rate=settings.learning_rate,
        halving=settings.halving,
        space_frequency=settings.space_frequency,
    )

"""``mesh_sdf``: all shapes of a motion in one decoder, each at a code of its own, and the way through the codes.

Remelli et al., NeurIPS 2020 (MeshSDF), whose decoder is that of Park et al., CVPR 2019 (DeepSDF); here of two shapes or
a few. Where and why this differs is argued in docs/METHODS.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from backend.fields.coded_network import CodedDeepSdf
from backend.fields.deep_sdf import DeepSdf
from backend.fields.mlp import MlpShape
from backend.methods.field_morph import FieldMorph
from backend.methods.latent_error import seconds_to_measure
from backend.methods.latent_field import LatentField
from backend.methods.method import Method, Morph, Pair
from backend.methods.posed_shapes import latent_morph, legs, posed_shapes, restored_latent, sampled
from backend.methods.settings import setting
from backend.surfaces.mesh_sdf.between import Between
from backend.surfaces.mesh_sdf.decoder import Decoder
from backend.surfaces.mesh_sdf.samples import Samples
from backend.surfaces.mesh_sdf.settings import DecoderSettings
from backend.surfaces.mesh_sdf.training import train_decoder
from backend.training.run import Run
from backend.training.shape_samples import Shape, ShapeSamples
from protocol.mesh import MeshData, MeshError
from protocol.settings import SettingError, SettingValue

PREVIEW = 32  # cells along the longest side
ROOM = 1.2  # half the side of the decoder's box, in the farthest coordinate of any shape
SKIP = 4  # the hidden layer that sees code and place again, where there are more


@dataclass(frozen=True)
class MeshSdfSettings:
    """Settings of ``mesh_sdf``."""

    steps: int = setting(1500, "Training steps", minimum=0, maximum=10_000_000, unit="steps")
    points: int = setting(
        512, "Points of each shape in every step, half of them inside", minimum=2, maximum=1_000_000, unit="points"
    )
    between: int = setting(
        1024, "Points between the shapes in every step: one grows into the union of both, which shrinks to the other",
        minimum=0, maximum=1_000_000, unit="points",
    )  # fmt: skip
    code: int = setting(2, "Numbers in a latent code", minimum=1, maximum=4096)
    width: int = setting(128, "Width of the network's layers", minimum=64, maximum=2048)
    depth: int = setting(8, "Hidden layers of the network", minimum=1, maximum=16)
    degree: int = setting(5, "Frequencies of the places, each twice that before", minimum=0, maximum=10)
    dropout: float = setting(0.0, "Share of the features that training leaves out", minimum=0.0, maximum=0.9)
    learning_rate: float = setting(3e-3, "Learning rate at the start", minimum=1e-7, maximum=1.0)
    halving: int = setting(
        0, "Halve the learning rate every so many steps, as published; 0: a cosine", minimum=0, maximum=1_000_000
    )
    published_clamp: bool = setting(
        False, "Clamp values on both sides, as published; else only where the true distance is beyond, too"
    )
    correction: bool = setting(
        True, "Exact shapes at both ends: near them in time the network's error is taken away, smoothly"
    )


class MeshSdf(Method):
    """A decoder of the source, the stops and the target; time goes along a spline through their codes."""

    name: ClassVar[str] = "mesh_sdf"
    label: ClassVar[str] = "MeshSDF"
    doc: ClassVar[str] = "One decoder of all poses, made to be steered by outlines: any topology, no match needed"
    needs_correspondence: ClassVar[bool] = False
    passes_stops: ClassVar[bool] = True
    topologies: ClassVar[tuple[str, ...]] = ("remesh",)
    settings_type: ClassVar[type] = MeshSdfSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {
        "draft": {"steps": 600},
        "standard": {},
        "high": {"steps": 5000, "points": 1024},
        "paper": {
            "steps": 4000,
            "points": 32_192,
            "between": 0,
            "dropout": 0.2,
            "learning_rate": 5e-4,
            "halving": 500,
            "published_clamp": True,
            "correction": False,
        },
    }

    def fit(self, pair: Pair, settings: MeshSdfSettings, run: Run) -> Morph:
        carried, stops, shapes = posed_shapes(pair, run)
        length = ROOM * max(float(np.abs(shape.positions).max()) for shape in shapes)
        decoder = Decoder(_decoder_settings(settings, len(shapes)), len(shapes))
        decoder.start_(run.seed)
        decoder = decoder.to(run.device)

        def field(corrected: bool) -> LatentField:
            at_rest = DeepSdf(decoder.settings.form).to(run.device)
            at_rest.load_state_dict(decoder.network.state_dict())
            codes = decoder.codes.detach().cpu().numpy().astype(np.float64)
            return LatentField(carried, stops, CodedDeepSdf(at_rest, length), corrected=corrected, codes=codes)

        _train(decoder, shapes, length, run, lambda: FieldMorph(pair.source, pair.target, field(False), PREVIEW))
        return latent_morph(pair, field, settings.correction, run)

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        return restored_latent(source, arrays, values)


def _train(decoder: Decoder, shapes: list[Shape], length: float, run: Run, preview: Callable[[], Any]) -> None:
    """Every pose and, between neighbours in time, the way from one to the next; the decoder's unit is ``length``."""
    form = decoder.settings.form
    every, shared = sampled(shapes, run, labels=True, between=decoder.settings.between > 0)
    samples = [_sides(part, length) for part in every]
    between = None if shared is None else Between(shared.points / length, shared.distances / length, legs(shapes))
    alike = MlpShape(form.inputs, 1, form.width, form.depth, "relu", form.skip, narrow_before=True)
    reserve = seconds_to_measure(alike, run)
    outcome = train_decoder(decoder, samples, run, between=between, reserve=reserve, preview=preview)
    run.facts |= outcome.facts("training")


def _sides(samples: ShapeSamples, length: float) -> tuple[Samples, Samples]:
    """Outside and inside of a shape, in the frame of the decoder."""
    points, distances = (values.cpu().numpy() / length for values in (samples.points, samples.distances))
    every = np.column_stack([points, distances]).astype(np.float32)
    outside, inside = every[every[:, 3] > 0.0], every[every[:, 3] <= 0.0]
    if not len(inside):
        raise MeshError("a shape of the motion is so thin that no sample lies inside of it; thicken it")
    return outside, inside


def _decoder_settings(settings: MeshSdfSettings, shapes: int) -> DecoderSettings:
    """The decoder that a motion through so many poses is trained in; all of them are in every step."""
    made = DecoderSettings(
        latent=settings.code,
        width=settings.width,
        depth=settings.depth,
        skip=SKIP if settings.depth > SKIP else None,
        degree=settings.degree,
        dropout=settings.dropout,
        steps=settings.steps,
        shapes=shapes,
        points=settings.points,
        published_clamp=settings.published_clamp,
        rate=settings.learning_rate,
        halving=settings.halving,
        between=settings.between,
    )
    if made.skip is not None and made.form.inputs >= settings.width:
        raise SettingError(
            f"the network's layers are {settings.width} wide, and {made.form.inputs} numbers enter them; raise the "
            "width above that, or lower the code or the degree"
        )
    return made

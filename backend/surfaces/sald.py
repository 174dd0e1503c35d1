"""``sald``: a signed field from distances without a sign.

Atzmon and Lipman, *SAL*, CVPR 2020, and *SALD*, ICLR 2021, in the form of Coiffier and Bethune's code, SGP 2024. Where
and why this differs is argued in docs/METHODS.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from backend.fields.distance_mlp import DistanceMlp, geometric_, sine_start_
from backend.fields.distance_network import DistanceNetwork
from backend.losses.sald import attachment, either_side, unsigned_error
from backend.methods.settings import setting
from backend.surfaces.dataset import Dataset
from backend.surfaces.labels import labels_in_reach
from backend.surfaces.network_start import round_
from backend.surfaces.step_samples import StepSamples
from backend.surfaces.surface_method import SurfaceMethod, trained
from backend.training.checkpoints import Checkpoints
from backend.training.run import Run
from backend.training.schedule import Cosine
from protocol.settings import SettingValue


@dataclass(frozen=True)
class SaldSettings:
    """Settings of ``sald``. Lengths are in the unit frame, where the longest side of the shape is 1.8."""

    steps: int = setting(6_000, "Training steps", minimum=0, maximum=1_000_000, unit="steps")
    batch: int = setting(512, "Points with a distance in every step", minimum=1, maximum=1_000_000, unit="points")
    batch_on: int = setting(256, "Points on the surface in every step", minimum=1, maximum=1_000_000, unit="points")
    activation: str = setting("softplus", "Between the layers", choices=("softplus", "sine"))
    width: int = setting(128, "Width of the network's layers", minimum=8, maximum=2048)
    depth: int = setting(3, "Hidden layers of the network", minimum=1, maximum=32)
    frequency: float = setting(
        4.0, "Detail that sines start with", minimum=0.1, maximum=1000.0, unit="radians per unit"
    )
    radius: float = setting(0.5, "Of the ball that the field starts as", minimum=0.01, maximum=2.0, unit="units")
    learning_rate: float = setting(4e-3, "Learning rate at the start", minimum=1e-7, maximum=1.0)
    final_rate: float = setting(1e-5, "Learning rate at the end", minimum=0.0, maximum=1.0)
    label: str = setting("l2", "l2: distances; l0: 1 wherever there is one", choices=("l2", "l0"))
    attach: float = setting(10.0, "Weight of f^2 on the surface", minimum=0.0, maximum=1e6)
    grad: float = setting(0.1, "Weight of the normals, either side out", minimum=0.0, maximum=1e6)


class Sald(SurfaceMethod):
    """|f| is the distance, and f is a ball at first: its inside becomes the shape's."""

    name: ClassVar[str] = "sald"
    label: ClassVar[str] = "Sign agnostic (SALD)"
    doc: ClassVar[str] = "From distances without a sign and normals without a side: finds the inside by itself"
    needs: ClassVar[Mapping[str, str]] = {"signed": "sal"}
    settings_type: ClassVar[type] = SaldSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {
        "fast": {},
        "paper": {
            "steps": 100_000,
            "batch": 200,
            "batch_on": 200,
            "width": 128,
            "depth": 10,
            "learning_rate": 5e-4,
            "final_rate": 5e-4,
        },
    }

    def fit(
        self,
        data: Dataset,
        signed: bool,
        settings: SaldSettings,
        run: Run,
        checkpoints: Checkpoints | None = None,
    ) -> DistanceNetwork:
        network = _started(data.dimension, settings, torch.Generator().manual_seed(run.seed)).to(run.device)
        with run.phase("labelling"):
            points, distances = (
                torch.as_tensor(part, dtype=torch.float32).to(run.device) for part in labels_in_reach(data, run)
            )
        on = torch.as_tensor(data.arrays["on"], dtype=torch.float32).to(run.device)
        given = data.arrays.get("normals")
        normals = None if given is None else torch.as_tensor(given, dtype=torch.float32).to(run.device)
        distances = distances.abs()
        draw = StepSamples(run.seed, run.device)

        def loss_of_step(step: int) -> Tensor:
            rows = draw.rows(step, len(points), settings.batch)
            rows_on = draw.rows(step, len(on), settings.batch_on, part=1)
            loss = unsigned_error(network(points[rows]), distances[rows], settings.label)
            if normals is None or settings.grad == 0.0:
                return loss + settings.attach * attachment(network(on[rows_on]))
            value, gradient = network.value_and_gradient(on[rows_on])
            loss = loss + settings.attach * attachment(value)
            return loss + settings.grad * either_side(gradient, normals[rows_on])

        schedule = Cosine(settings.learning_rate, settings.final_rate)
        return trained(network, loss_of_step, settings.steps, schedule, run, checkpoints)


def _started(dimension: int, settings: SaldSettings, generator: torch.Generator) -> DistanceMlp:
    """A network that is about a ball."""
    network = DistanceMlp(dimension, settings.width, settings.depth, settings.activation, None)
    if settings.activation == "sine":
        sine_start_(network.mlp, settings.frequency, generator)
        round_(network.mlp, settings.radius, generator)
    else:
        geometric_(network.mlp, settings.radius, generator)
    return network

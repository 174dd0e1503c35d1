"""``full_information``: a field that learns the distances themselves.

Coiffier and Bethune, *1-Lipschitz Neural Distance Fields*, SGP 2024, the supervised field of their comparison. Where
and why this differs is argued in docs/METHODS.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from backend.fields.distance_network import DistanceNetwork
from backend.losses.eikonal import eikonal
from backend.losses.full_information import squared_error
from backend.losses.known_distance import known_distance
from backend.methods.settings import setting
from backend.surfaces.dataset import Dataset
from backend.surfaces.labels import labels_in_reach
from backend.surfaces.network_start import NETWORKS, started
from backend.surfaces.step_samples import StepSamples
from backend.surfaces.surface_method import SurfaceMethod, trained
from backend.training.checkpoints import Checkpoints
from backend.training.run import Run
from backend.training.schedule import Cosine
from protocol.settings import SettingValue

LEAST = 0.3  # that a label counts, however far


@dataclass(frozen=True)
class FullInformationSettings:
    """Settings of ``full_information``. Lengths are in the unit frame, where the longest side of the shape is 1.8."""

    steps: int = setting(8_000, "Training steps", minimum=0, maximum=1_000_000, unit="steps")
    batch: int = setting(512, "Points in every step", minimum=1, maximum=1_000_000, unit="points")
    network: str = setting("siren", "Sines, ReLU layers (mlp), or sines with bounded layers", choices=NETWORKS)
    width: int = setting(128, "Width of the network's layers", minimum=8, maximum=2048)
    depth: int = setting(3, "Hidden layers of the network", minimum=1, maximum=32)
    frequency: float = setting(
        24.0, "Finest detail that sines start with in space", minimum=0.1, maximum=1000.0, unit="radians per unit"
    )
    frequency_2d: float = setting(
        240.0, "Finest detail that sines start with in the plane", minimum=0.1, maximum=1000.0, unit="radians per unit"
    )
    learning_rate: float = setting(5e-3, "Learning rate at the start", minimum=1e-7, maximum=1.0)
    final_rate: float = setting(1e-5, "Learning rate at the end", minimum=0.0, maximum=1.0)
    loss: str = setting(
        "absolute", "Of a distance that is missed; squared is the paper's", choices=("absolute", "squared")
    )
    nearness: float = setting(
        0.1,
        "Distance from where one counts for less, down to a third; 0: all count alike",
        minimum=0.0,
        maximum=100.0,
        unit="units",
    )
    eikonal: float = setting(0.0, "Weight of the eikonal loss; the paper's is 0.1", minimum=0.0, maximum=100.0)
    eikonal_batch: int = setting(64, "Points for it in every step", minimum=1, maximum=1_000_000, unit="points")
    level: float = setting(
        0.015, "Offset of the surface of a field without sign", minimum=1e-4, maximum=1.0, unit="units"
    )


class FullInformation(SurfaceMethod):
    """f is the exact distance at every sample."""

    name: ClassVar[str] = "full_information"
    label: ClassVar[str] = "Known distances (full information)"
    doc: ClassVar[str] = "Learns exact distances: the fastest, and the most accurate, of meshes and curves"
    needs: ClassVar[Mapping[str, str]] = {"signed": "dist", "unsigned": "dist"}
    settings_type: ClassVar[type] = FullInformationSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {
        "fast": {},
        "paper": {
            "steps": 100_000,
            "batch": 200,
            "network": "mlp",
            "width": 128,
            "depth": 10,
            "learning_rate": 5e-4,
            "final_rate": 5e-4,
            "loss": "squared",
            "nearness": 0.0,
            "eikonal": 0.1,
            "eikonal_batch": 200,
        },
    }

    def fit(
        self,
        data: Dataset,
        signed: bool,
        settings: FullInformationSettings,
        run: Run,
        checkpoints: Checkpoints | None = None,
    ) -> DistanceNetwork:
        generator = torch.Generator().manual_seed(run.seed)
        frequency = settings.frequency_2d if data.dimension == 2 else settings.frequency
        with run.phase("labelling"):
            points, exact = (
                torch.as_tensor(part, dtype=torch.float32).to(run.device) for part in labels_in_reach(data, run)
            )
        wanted = exact if signed else exact.abs()
        weights = torch.ones_like(exact)
        if settings.nearness > 0.0:
            weights = (settings.nearness / exact.abs().clamp(min=settings.nearness)).clamp(min=LEAST)
        network = started(settings.network, points, wanted, settings.width, settings.depth, frequency, generator).to(
            run.device
        )
        draw = StepSamples(run.seed, run.device)

        def loss_of_step(step: int) -> Tensor:
            rows = draw.rows(step, len(points), settings.batch)
            values = network(points[rows])
            if settings.loss == "squared":
                loss = squared_error(values, wanted[rows])
            else:
                loss = known_distance(values, wanted[rows], weights[rows])
            if settings.eikonal > 0.0:
                _, gradient = network.value_and_gradient(draw.box(step, settings.eikonal_batch, data.dimension))
                loss = loss + settings.eikonal * eikonal(gradient)
            return loss

        schedule = Cosine(settings.learning_rate, settings.final_rate)
        return trained(network, loss_of_step, settings.steps, schedule, run, checkpoints)

    def level(self, signed: bool, settings: FullInformationSettings) -> float:
        return 0.0 if signed else settings.level

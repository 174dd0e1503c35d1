"""``one_lipschitz``: a distance field that nowhere promises more room than there is.

Coiffier and Bethune, 1-Lipschitz Neural Distance Fields, SGP 2024. Where and why this differs is argued in
docs/METHODS.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from backend.fields.distance_network import DistanceNetwork
from backend.fields.one_lipschitz import OneLipschitz
from backend.fields.orthogonal import Orthogonal
from backend.losses.hkr import hkr
from backend.losses.known_distance import known_distance
from backend.methods.settings import setting
from backend.surfaces.dataset import Dataset
from backend.surfaces.labelled_points import labelled_points
from backend.surfaces.step_samples import StepSamples
from backend.surfaces.surface_method import SurfaceMethod, trained
from backend.training.checkpoints import Checkpoints
from backend.training.run import Run
from backend.training.schedule import Cosine
from protocol.settings import SettingValue

EPOCH = 500  # steps: 100,000 points a class, 200 of them a step
HINGES = ((4, 1.0), (9, 10.0), (29, 100.0))  # epochs up to which the hinge of hKR weighs so much, then as set

Loss = Callable[[int], Tensor]  # of a step


@dataclass(frozen=True)
class OneLipschitzSettings:
    """Settings of ``one_lipschitz``. Lengths are in the unit frame, where the longest side of the shape is 1.8."""

    steps: int = setting(16_000, "Training steps", minimum=0, maximum=1_000_000, unit="steps")
    batch: int = setting(256, "Points of each class in every step", minimum=1, maximum=1_000_000, unit="points")
    layers: str = setting(
        "sll", "Residual layers (sll), or orthogonal ones that sort their numbers", choices=("sll", "orthogonal")
    )
    width: int = setting(128, "Width of the network's layers", minimum=8, maximum=2048)
    depth: int = setting(6, "Layers of the network", minimum=2, maximum=64)
    learning_rate: float = setting(1e-2, "Learning rate at the start", minimum=1e-7, maximum=1.0)
    final_rate: float = setting(1e-5, "Learning rate at the end", minimum=0.0, maximum=1.0)
    distances: bool = setting(
        True, "Learn distances where the shape is at hand; otherwise the side of each point alone (hKR), as published"
    )
    margin: float = setting(0.01, "Margin of hKR", minimum=0.0, maximum=1.0, unit="units")
    hinge: float = setting(100.0, "Weight of the hinge of hKR in the end", minimum=1e-3, maximum=1e6)
    level: float = setting(
        0.01, "Offset of the surface of a field without sign", minimum=1e-4, maximum=1.0, unit="units"
    )


class OneLipschitzFit(SurfaceMethod):
    """|f(x) - f(y)| <= |x - y| by the network's form; under that, as much on the right side as it can be."""

    name: ClassVar[str] = "one_lipschitz"
    label: ClassVar[str] = "1-Lipschitz network"
    doc: ClassVar[str] = "Never more than the true distance, so rays and offsets are safe; of any shape, closed or open"
    needs: ClassVar[Mapping[str, str]] = {"signed": "signed", "unsigned": "unsigned"}
    bounded: ClassVar[bool] = True
    settings_type: ClassVar[type] = OneLipschitzSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {
        "fast": {},
        "paper": {
            "steps": 100_000,
            "batch": 200,
            "depth": 20,
            "learning_rate": 5e-4,
            "final_rate": 5e-4,
            "distances": False,
        },
    }

    def fit(
        self,
        data: Dataset,
        signed: bool,
        settings: OneLipschitzSettings,
        run: Run,
        checkpoints: Checkpoints | None = None,
    ) -> DistanceNetwork:
        network = _network(data.dimension, settings)
        network.start_(torch.Generator().manual_seed(run.seed))
        network.to(run.device)
        if settings.distances and data.shape is not None:
            loss = _of_distances(network, data, signed, settings, run)
        else:
            loss = _of_sides(network, data, signed, settings, run)
        schedule = Cosine(settings.learning_rate, settings.final_rate)
        return trained(network, loss, settings.steps, schedule, run, checkpoints)

    def level(self, signed: bool, settings: OneLipschitzSettings) -> float:
        return 0.0 if signed else settings.level


def _network(dimension: int, settings: OneLipschitzSettings) -> OneLipschitz | Orthogonal:
    if settings.layers == "orthogonal":
        return Orthogonal(dimension, settings.width, settings.depth)
    return OneLipschitz(dimension, settings.width, settings.depth)


def _of_distances(
    network: DistanceNetwork, data: Dataset, signed: bool, settings: OneLipschitzSettings, run: Run
) -> Loss:
    """Mean of w |f - d| at points around the shape and in the box."""
    assert data.shape is not None
    with run.phase("sampling"):
        known = labelled_points(data.shape, signed, run)
    draw = StepSamples(run.seed, run.device)
    count = 2 * settings.batch

    def loss_of_step(step: int) -> Tensor:
        rows = known.rows(draw, step, count)
        return known_distance(network(known.points[rows]), known.distances[rows], known.weights[rows])

    return loss_of_step


def _of_sides(network: DistanceNetwork, data: Dataset, signed: bool, settings: OneLipschitzSettings, run: Run) -> Loss:
    """hKR of points inside and outside; without sign, of points on the shape and off it."""
    low, high = (
        torch.as_tensor(data.arrays[name], dtype=torch.float32).to(run.device)
        for name in ("inside" if signed else "on", "outside")
    )
    draw = StepSamples(run.seed, run.device)
    side = torch.ones(2 * settings.batch, device=run.device)
    side[: settings.batch] = -1.0

    def loss_of_step(step: int) -> Tensor:
        points = [part[draw.rows(step, len(part), settings.batch, number)] for number, part in enumerate((low, high))]
        return hkr(side * network(torch.cat(points)), settings.margin, hinge_at(step, settings.hinge))

    return loss_of_step


def hinge_at(step: int, last: float) -> float:
    """Lambda of a step: 1, from the fifth epoch on 10, from the tenth on 100, from the thirtieth on ``last``."""
    return next((weight for epoch, weight in HINGES if step < epoch * EPOCH), last)

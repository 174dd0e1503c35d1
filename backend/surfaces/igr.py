"""``igr``: a distance field from points alone, by the eikonal equation.

Gropp et al., Implicit Geometric Regularization for Learning Shapes, ICML 2020. Where and why this differs is argued in
docs/METHODS.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from backend.fields.distance_mlp import DistanceMlp, geometric_, sine_start_
from backend.fields.distance_network import DistanceNetwork
from backend.losses.eikonal import eikonal
from backend.losses.known_distance import known_distance
from backend.losses.normals import normal_distance
from backend.losses.on_surface import on_surface
from backend.methods.settings import setting
from backend.surfaces.dataset import Dataset
from backend.surfaces.igr_points import IgrPoints, igr_points
from backend.surfaces.network_start import round_, solve_last_
from backend.surfaces.step_samples import StepSamples
from backend.surfaces.surface_method import SurfaceMethod, trained
from backend.training.adam import Adam
from backend.training.checkpoints import Checkpoints
from backend.training.muon import Muon
from backend.training.run import Run
from backend.training.schedule import Cosine, Halving, Schedule
from protocol.settings import SettingValue

SKIP = 4  # the layer of IGR's network that sees the input again
WARM_UP = 100  # updates: the published first step of 5e-3 sends the loss from 1 to 1,500
RADIUS = 1.0  # of the ball that a softplus network starts as


@dataclass(frozen=True)
class IgrSettings:
    """Settings of ``igr``. Lengths are in the unit frame, where the longest side of the shape is 1.8."""

    steps: int = setting(2400, "Training steps", minimum=0, maximum=1_000_000, unit="steps")
    batch: int = setting(512, "Points on the surface in every step", minimum=1, maximum=1_000_000, unit="points")
    local: int = setting(
        128, "Points around the surface in every step; the paper has as many as on it",
        minimum=1, maximum=1_000_000, unit="points",
    )  # fmt: skip
    known: int = setting(
        256, "Points around it in every step whose distance is known; 0: the paper's losses alone",
        minimum=0, maximum=1_000_000, unit="points",
    )  # fmt: skip
    estimate: bool = setting(True, "Estimate the normals of a cloud that has none; the paper does without")
    width: int = setting(128, "Width of the network's layers", minimum=8, maximum=2048)
    depth: int = setting(4, "Hidden layers of the network", minimum=1, maximum=16)
    activation: str = setting("sine", "Between the layers; softplus is the paper's", choices=("sine", "softplus"))
    frequency: float = setting(
        4.0, "Detail that a sine network starts with in space", minimum=0.1, maximum=1000.0, unit="radians per unit"
    )
    frequency_2d: float = setting(
        20.0,
        "Detail that a sine network starts with in the plane",
        minimum=0.1,
        maximum=1000.0,
        unit="radians per unit",
    )
    optimiser: str = setting("muon", "What makes the updates; Adam is the paper's", choices=("muon", "adam"))
    learning_rate: float = setting(5e-3, "Learning rate at the start", minimum=1e-7, maximum=1.0)
    halving: bool = setting(False, "Halve the learning rate every 2,000 steps, as published, instead of a cosine")
    eikonal: float = setting(0.1, "Weight of the eikonal loss", minimum=0.0, maximum=100.0)
    normals: float = setting(0.2, "Weight of the normals, where there are any", minimum=0.0, maximum=100.0)
    labels: float = setting(3.0, "Weight of the known distances", minimum=0.0, maximum=100.0)


class Igr(SurfaceMethod):
    """f is 0 on the points, its gradient has length 1 around them, and points along the normals if there are any."""

    name: ClassVar[str] = "igr"
    label: ClassVar[str] = "Geometric regularisation (IGR)"
    doc: ClassVar[str] = "From points, with normals or without: closes holes smoothly"
    needs: ClassVar[Mapping[str, str]] = {"signed": "signed"}
    settings_type: ClassVar[type] = IgrSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {
        "fast": {},
        "paper": {
            "steps": 100_000,
            "batch": 16_384,
            "local": 16_384,
            "known": 0,
            "estimate": False,
            "width": 512,
            "depth": 8,
            "activation": "softplus",
            "optimiser": "adam",
            "learning_rate": 5e-3,
            "halving": True,
            "normals": 1.0,
        },
    }

    def fit(
        self,
        data: Dataset,
        signed: bool,
        settings: IgrSettings,
        run: Run,
        checkpoints: Checkpoints | None = None,
    ) -> DistanceNetwork:
        with run.phase("preparing"):
            points = igr_points(data, run, estimate=settings.estimate, labels=settings.known > 0)
        network = _started(points, data.dimension, settings, run)
        draw = StepSamples(run.seed, run.device)
        return trained(
            network,
            lambda step: igr_loss(network, points, draw, step, settings),
            settings.steps,
            _schedule(settings),
            run,
            checkpoints,
            Muon if settings.optimiser == "muon" else Adam,
        )


def igr_loss(
    network: DistanceNetwork, points: IgrPoints, draw: StepSamples, step: int, settings: IgrSettings
) -> Tensor:
    """The whole loss of a step: eq. 2 of the paper, its eikonal term off the surface, and known distances."""
    rows = draw.rows(step, len(points.on), settings.batch)
    surface = points.on[rows]
    beside = rows if settings.local == settings.batch else draw.rows(step, len(points.on), settings.local, part=2)
    local = points.on[beside] + points.reach[beside, None] * draw.normal(step, points.on[beside])
    box = draw.box(step, max(settings.batch // 8, 1), surface.shape[1])
    off = torch.cat([local, box])
    if points.normals is not None and settings.normals > 0.0:
        values, gradients = network.value_and_gradient(torch.cat([surface, off]))
        values, on, gradients = values[: len(rows)], gradients[: len(rows)], gradients[len(rows) :]
        loss = on_surface(values) + settings.normals * normal_distance(on, points.normals[rows])
    else:  # the gradient on the surface is not needed
        loss = on_surface(network(surface))
        _, gradients = network.value_and_gradient(off)
    loss = loss + settings.eikonal * eikonal(gradients)
    if points.known is not None and settings.known > 0:
        some = draw.rows(step, len(points.known), settings.known, part=1)
        missed = known_distance(network(points.known[some]), points.distances[some], points.trust[some])
        loss = loss + settings.labels * missed
    return loss


def _started(points: IgrPoints, dimension: int, settings: IgrSettings, run: Run) -> DistanceMlp:
    """The network before its training: a ball, or with sines already the rough shape."""
    generator = torch.Generator().manual_seed(run.seed)
    skip = SKIP if settings.activation == "softplus" and settings.depth > SKIP else None
    network = DistanceMlp(dimension, settings.width, settings.depth, settings.activation, skip)
    if settings.activation == "softplus":
        geometric_(network.mlp, RADIUS, generator)
    else:
        sine_start_(network.mlp, settings.frequency if dimension == 3 else settings.frequency_2d, generator)
        if points.known is None:
            round_(network.mlp, RADIUS, generator)
        else:
            solve_last_(network.mlp, points.known.cpu(), points.distances.cpu())
    return network.to(run.device)


def _schedule(settings: IgrSettings) -> Schedule:
    if settings.halving:
        return Halving(settings.learning_rate, warm_up=WARM_UP)
    return Cosine(settings.learning_rate)

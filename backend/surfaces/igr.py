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
from backend.losses.normals import normal_distance
from backend.losses.on_surface import on_surface
from backend.methods.settings import setting
from backend.surfaces.dataset import Dataset
from backend.surfaces.surface_method import SurfaceMethod
from backend.training.checkpoints import Checkpoints
from backend.training.loop import train
from backend.training.run import Run
from backend.training.schedule import Cosine
from backend.training.surface_samples import spread
from protocol.settings import SettingValue


@dataclass(frozen=True)
class IgrSettings:
    """Settings of ``igr``. Lengths are in the unit frame, where the longest side of the shape is 1.8."""

    steps: int = setting(2000, "Training steps", minimum=0, maximum=1_000_000, unit="steps")
    batch: int = setting(1024, "Points on the surface in every step", minimum=1, maximum=1_000_000, unit="points")
    width: int = setting(128, "Width of the network's layers", minimum=8, maximum=2048)
    depth: int = setting(4, "Hidden layers of the network", minimum=1, maximum=16)
    activation: str = setting("sine", "Between the layers; softplus is the paper's", choices=("sine", "softplus"))
    learning_rate: float = setting(2e-3, "Learning rate at the start", minimum=1e-7, maximum=1.0)
    frequency: float = setting(
        8.0, "Detail that a sine network starts with", minimum=0.1, maximum=100.0, unit="radians per unit"
    )
    eikonal: float = setting(0.1, "Weight of the eikonal loss", minimum=0.0, maximum=100.0)
    normals: float = setting(1.0, "Weight of the normals, where there are any", minimum=0.0, maximum=100.0)


class Igr(SurfaceMethod):
    """f is 0 on the points, its gradient has length 1 around them, and points along the normals if there are any."""

    name: ClassVar[str] = "igr"
    label: ClassVar[str] = "Geometric regularisation (IGR)"
    doc: ClassVar[str] = "From points, with normals or without: closes holes smoothly"
    needs: ClassVar[Mapping[str, str]] = {"signed": "signed"}
    settings_type: ClassVar[type] = IgrSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {"fast": {}}

    def fit(
        self,
        data: Dataset,
        signed: bool,
        settings: IgrSettings,
        run: Run,
        checkpoints: Checkpoints | None = None,
    ) -> DistanceNetwork:
        generator = torch.Generator().manual_seed(run.seed)
        skip = 4 if settings.depth > 4 and settings.activation == "softplus" else None
        network = DistanceMlp(data.dimension, settings.width, settings.depth, settings.activation, skip)
        if settings.activation == "sine":
            sine_start_(network.mlp, settings.frequency, generator)
        else:
            geometric_(network.mlp, 1.0, generator)
        network = network.to(run.device)
        on = torch.as_tensor(data.arrays["on"], dtype=torch.float32)
        given = data.arrays.get("normals")
        known = None if given is None else torch.as_tensor(given, dtype=torch.float32)
        sigma = spread(on)

        def loss_of_step(step: int) -> Tensor:
            rows = torch.randint(len(on), (settings.batch,), generator=generator)
            surface = on[rows]
            local = surface + sigma[rows, None] * torch.randn(surface.shape, generator=generator)
            box = 2.4 * torch.rand(settings.batch // 8 + 1, data.dimension, generator=generator) - 1.2
            points = torch.cat([surface, local, box]).to(run.device)
            value, gradient = network.value_and_gradient(points)
            loss = on_surface(value[: len(rows)]) + settings.eikonal * eikonal(gradient[len(rows) :])
            if known is not None:
                wanted = known[rows].to(run.device)
                loss = loss + settings.normals * normal_distance(gradient[: len(rows)], wanted)
            return loss

        with run.phase("training"):
            outcome = train(
                network,
                loss_of_step,
                steps=run.steps(settings.steps),
                schedule=Cosine(settings.learning_rate),
                run=run,
                preview=lambda: network,
                checkpoints=checkpoints,
            )
        run.facts |= outcome.facts("training")
        return network

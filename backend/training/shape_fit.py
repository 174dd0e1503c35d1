"""Several shapes in one Lipschitz-bounded network, each at a latent code of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from backend.fields.lipschitz_mlp import LipschitzMlp, wide_normal_
from backend.fields.mlp import MlpShape, sine_
from backend.geometry.arrays import Float64
from backend.losses.eikonal import eikonal
from backend.losses.known_distance import known_distance
from backend.losses.lipschitz import lipschitz
from backend.losses.normals import normals
from backend.losses.on_surface import on_surface
from backend.training.loop import Outcome, train
from backend.training.mixtures import Mixtures
from backend.training.run import Run
from backend.training.schedule import Schedule
from backend.training.shape_samples import Shape, ShapeSamples, joined, sample_between, sample_shapes

if TYPE_CHECKING:
    from backend.methods.method import Morph


@dataclass(frozen=True)
class ShapeFit:
    """The numbers of a training; weights as in LipMLP's configuration of INSD's code, and what is ours."""

    steps: int
    schedule: Schedule
    width: int
    depth: int
    activation: str
    batch: int  # points on every shape, and as many around it
    known: int = 0  # points of every shape whose distance is known
    label_weight: float = 10.0
    mixed: int = 0  # points at mixtures of codes, kept within the envelope of the shapes
    envelope_weight: float = 10.0
    slack: float = 0.05  # units by which the envelope is wider
    surface_weight: float = 1.0
    eikonal_weight: float = 0.1  # on the surface, and as much around it
    normal_weight: float = 1.0
    lipschitz_weight: float = 1e-10
    space_frequency: float = 1.0  # of sine layers, radians per unit
    code_frequency: float = 1.0


def fit_shapes(
    shapes: Sequence[Shape],
    codes: Float64,  # [K, C], one of every shape
    fit: ShapeFit,
    run: Run,
    *,
    mixtures: Sequence[Sequence[int]] | None = None,  # numbers of shapes whose codes are mixed; None: all together
    reserve: float = 0.0,  # seconds of the run's time to leave over
    preview: Callable[[LipschitzMlp], Morph] | None = None,
) -> tuple[LipschitzMlp, Outcome]:
    """A network of (x, code) that at each code is the signed distance of its shape, and smooth between codes."""
    generator = torch.Generator().manual_seed(run.seed)
    codes = np.asarray(codes, np.float64)
    network = LipschitzMlp(MlpShape(3 + codes.shape[1], 1, fit.width, fit.depth, fit.activation))
    if fit.activation == "sine":
        sine_(network.mlp, torch.tensor([fit.space_frequency] * 3 + [fit.code_frequency] * codes.shape[1]), generator)
        network.bound_()
    else:
        wide_normal_(network, generator)
    network = network.to(run.device)

    def check() -> None:
        run.progress(0, 0)

    rng = np.random.default_rng(run.seed)
    samples = sample_shapes(shapes, rng, run.device, labels=fit.known > 0, around=fit.batch > 0, check=check)
    mixed = None
    if fit.mixed:
        between = sample_between(shapes, rng, run.device, check=check)
        groups = [range(len(shapes))] if mixtures is None else mixtures
        mixed = Mixtures(between, groups, fit.mixed, fit.envelope_weight, fit.slack)
    columns = torch.as_tensor(codes, dtype=torch.float32, device=run.device)

    def values(points: Tensor, at: Tensor) -> Tensor:
        found: Tensor = network(torch.cat([points, at], dim=1))[:, 0]
        return found

    def loss_of_step(step: int) -> Tensor:
        drawn = [part.draw(fit.batch, fit.known, generator) for part in samples]
        loss = shape_loss(network, joined(drawn), columns, fit)
        if mixed is not None:
            loss = loss + mixed.loss(values, columns, step, generator)
        return loss

    outcome = train(
        network,
        loss_of_step,
        steps=fit.steps,
        schedule=fit.schedule,
        run=run,
        reserve=reserve,
        preview=None if preview is None else lambda: preview(network),
    )
    return network, outcome


def shape_loss(network: LipschitzMlp, samples: ShapeSamples, codes: Tensor, fit: ShapeFit) -> Tensor:
    """The whole loss on samples of all shapes in the order of ``codes`` [K, C], equally many of each."""

    def with_codes(points: Tensor) -> Tensor:
        return torch.cat([points, codes.repeat_interleave(len(points) // len(codes), dim=0)], dim=1)

    shapes = len(codes)  # means over all samples, times this, are sums over the shapes
    loss = fit.lipschitz_weight * lipschitz(network.log_bound())
    if fit.known:
        values = network(with_codes(samples.points))[:, 0]
        loss = loss + fit.label_weight * shapes * known_distance(values, samples.distances, samples.weights)
    if fit.batch:
        count = len(samples.surface)
        values, gradients = network.value_and_gradient(
            torch.cat([with_codes(samples.surface), with_codes(samples.local)])
        )
        gradients = gradients[:, :3]
        terms = fit.surface_weight * on_surface(values[:count])
        terms = terms + fit.normal_weight * normals(gradients[:count], samples.normals)
        terms = terms + fit.eikonal_weight * (eikonal(gradients[:count]) + eikonal(gradients[count:]))
        loss = loss + shapes * terms
    return loss.float()

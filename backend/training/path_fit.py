"""Training a velocity field on a known path: closed-form start, gradient steps, closed-form finish."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backend.fields.velocity import VelocityField
from backend.flow.keyed_path import KeyedPath
from backend.losses.distortion import distortion
from backend.losses.divergence import divergence
from backend.losses.path import path_velocity
from backend.losses.smoothness import smoothness
from backend.losses.stretching import stretching
from backend.training.closed_form import solve_last_layer
from backend.training.loop import Outcome, train
from backend.training.path_samples import PathSampler, PathSamples
from backend.training.run import Run
from backend.training.schedule import Cosine

if TYPE_CHECKING:
    from backend.methods.method import Morph

SOLVE_SAMPLES = 65_536  # for the last layer in closed form
POOL = 32  # batches drawn at once


@dataclass(frozen=True)
class PathFit:
    """The numbers of a training."""

    steps: int
    batch: int
    learning_rate: float
    shell: float  # frame units
    time_step: float  # of the integration that the stretching loss looks at
    smoothness: float = 0.0  # weights; the derivatives of the field cost four to five passes more
    divergence: float = 0.0
    distortion: float = 0.0
    stretching: float = 0.0


def fit_path(
    velocity: VelocityField,
    path: KeyedPath,
    triangles: Tensor,  # [T, 3]
    fit: PathFit,
    run: Run,
    reserve: float,  # seconds of the run's time to leave over
    preview: Callable[[VelocityField], Morph],
) -> Outcome:
    """Trains ``velocity`` in place on ``path``."""
    generator = torch.Generator().manual_seed(run.seed)
    sampler = PathSampler(path, triangles, fit.shell, generator)
    solve_last_layer(velocity, sampler.draw(SOLVE_SAMPLES))
    pool = sampler.draw(0)

    def loss_of_step(step: int) -> Tensor:
        nonlocal pool
        if step % POOL == 0:
            pool = sampler.draw(POOL * fit.batch)
        first = step % POOL * fit.batch
        return _loss(velocity, _part(pool, slice(first, first + fit.batch)), fit)

    return train(
        velocity,
        loss_of_step,
        steps=fit.steps,
        schedule=Cosine(first=fit.learning_rate),
        run=run,
        reserve=reserve,
        preview=lambda: preview(velocity),
    )


def _loss(velocity: VelocityField, samples: PathSamples, fit: PathFit) -> Tensor:
    loss = path_velocity(velocity(samples.points, samples.times), samples.velocities)
    if not (fit.smoothness or fit.divergence or fit.distortion or fit.stretching):
        return loss
    some = _part(samples, slice(0, max(len(samples.points) // 8, 1)))
    jets = velocity.jets(some.points, some.times, second=fit.smoothness > 0.0)
    if fit.smoothness:
        loss = loss + fit.smoothness * smoothness(jets.value, jets.laplacian)
    if fit.divergence:
        loss = loss + fit.divergence * divergence(jets.jacobian)
    if fit.distortion:
        loss = loss + fit.distortion * distortion(jets.jacobian)
    if fit.stretching:
        loss = loss + fit.stretching * stretching(jets.jacobian, some.normals, fit.time_step)
    return loss


def _part(samples: PathSamples, part: slice) -> PathSamples:
    return PathSamples(samples.points[part], samples.times[part], samples.velocities[part], samples.normals[part])

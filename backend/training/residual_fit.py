"""Training what is added to a known distance, by the equations of a moving surface, where the distance is a guess."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backend.fields.residual import ResidualField
from backend.training.loop import Outcome, train
from backend.training.run import Run
from backend.training.schedule import Cosine

if TYPE_CHECKING:
    from backend.methods.method import Morph

NEAR = 0.05  # distance, in frame units, within which the motion of the surface counts


@dataclass(frozen=True, eq=False)
class DistanceLabels:
    """Points of space and time with what is known of the field there; frame units."""

    points: Tensor  # [N, 3]
    times: Tensor  # [N]
    distances: Tensor  # [N], signed
    gradients: Tensor  # [N, 3], of the distance
    rates: Tensor  # [N], of the distance, per unit of time
    trust: Tensor  # [N] in 0..1, how far the distance is more than a guess
    velocities: Tensor  # [N, 3], of the motion there, per unit of time


@dataclass(frozen=True)
class ResidualFit:
    """The numbers of a training."""

    steps: int
    batch: int
    learning_rate: float
    label: float = 1.0  # weight of what is known
    eikonal: float = 0.1  # weight of |grad f| = 1, and
    level_set: float = 0.1  # of the motion of the zero level, where it is not


def fit_residual(
    field: ResidualField,
    labels: DistanceLabels,
    fit: ResidualFit,
    run: Run,
    reserve: float,  # seconds of the run's time to leave over
    preview: Callable[[ResidualField], Morph],
) -> Outcome:
    """Trains ``field`` in place."""
    generator = torch.Generator().manual_seed(run.seed)
    count = len(labels.points)
    batch = min(fit.batch, count)
    order = torch.empty(0, dtype=torch.int64)

    def loss_of_step(step: int) -> Tensor:
        nonlocal order
        first = step % (count // batch) * batch
        if first == 0:
            order = torch.randperm(count, generator=generator).to(labels.points.device)
        return residual_loss(field, _some(labels, order[first : first + batch]), fit)

    return train(
        field,
        loss_of_step,
        steps=fit.steps,
        schedule=Cosine(first=fit.learning_rate),
        run=run,
        reserve=reserve,
        preview=lambda: preview(field),
    )


def residual_loss(field: ResidualField, labels: DistanceLabels, fit: ResidualFit) -> Tensor:
    """Nothing where the distance is known; elsewhere the eikonal and the level-set equation for distance + residual."""
    found = field.derivatives(labels.points, labels.times)
    value = labels.distances + found.value
    gradient = labels.gradients + found.gradient
    rate = labels.rates + found.rate
    guessed = 1 - labels.trust
    near = torch.exp(-(value.detach() / NEAR).square())
    moved = rate + (gradient * labels.velocities).sum(dim=1)
    loss: Tensor = fit.label * (labels.trust * found.value.abs()).mean()
    loss = loss + fit.eikonal * (guessed * (gradient.norm(dim=1) - 1).square()).mean()
    loss = loss + fit.level_set * (guessed * near * moved.square()).mean()
    return loss


def _some(labels: DistanceLabels, which: Tensor) -> DistanceLabels:
    return DistanceLabels(
        labels.points[which], labels.times[which], labels.distances[which], labels.gradients[which],
        labels.rates[which], labels.trust[which], labels.velocities[which],
    )  # fmt: skip

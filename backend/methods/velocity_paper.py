"""The velocity stage of the paper: its network, its losses and its schedule on prepared points.

Sang et al., Implicit Neural Surface Deformation with Explicit Velocity Fields, ICLR 2025 (INSD). The trajectory is
unrolled: the loss sees where the integrator brings the points, and its gradient passes through every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backend.fields.activations import ACTIVATIONS
from backend.fields.mlp import Jets
from backend.fields.velocity import VelocityField, paper_shape
from backend.flow.integrate import unroll
from backend.losses.divergence import divergence
from backend.losses.matching import matching
from backend.losses.smoothness import ALPHA, smoothness
from backend.training.loop import Outcome, train
from backend.training.run import Run
from backend.training.schedule import Halving

if TYPE_CHECKING:
    from backend.methods.method import Morph


@dataclass(frozen=True)
class PaperTraining:
    """The numbers of the paper's shipped configuration, and what is ours to choose about it."""

    steps: int = 10  # Euler steps T
    width: int = 256
    depth: int = 8
    batch: int = 4086  # pairs, and as many surface points
    updates: int = 4000
    schedule: Halving = field(default_factory=Halving)
    match_weight: float = 200.0
    smooth_weight: float = 20.0
    divergence_weight: float = 0.0  # off in the shipped configuration
    alpha: float = ALPHA  # squared units
    activation: str = "relu"  # a smooth one makes the Laplacian count, at five times the cost
    time_dependent: bool = False
    zero_last: bool = True  # start at rest; theirs starts with motions as long as the shape


@dataclass(frozen=True, eq=False)
class PaperPair:
    """A prepared pair in unit coordinates."""

    source: Tensor  # [N, 3], matched source points
    target: Tensor  # [N, 3], their partners
    weights: Tensor  # [N], trust in each pair
    surface: Tensor  # [S, 3], points all over the source surface: smoothness only


def fit_paper(
    pair: PaperPair,
    training: PaperTraining,
    run: Run,
    *,
    reserve: float = 0.0,
    preview: Callable[[VelocityField], Morph] | None = None,
) -> tuple[VelocityField, Outcome]:
    """Trains the paper's velocity network on ``pair``; ``reserve`` seconds of the run's time are left over.

    ``preview`` makes a morph of the field as it is.
    """
    shape = paper_shape(
        training.steps,
        training.activation,
        time_dependent=training.time_dependent,
        width=training.width,
        depth=training.depth,
    )
    velocity = VelocityField(shape, seed=run.seed, zero_last=training.zero_last).to(pair.source)
    generator = torch.Generator().manual_seed(run.seed)

    def loss_of_step(step: int) -> Tensor:
        rows = _draw(len(pair.source), training.batch, generator).to(pair.source.device)
        others = _draw(len(pair.surface), training.batch, generator).to(pair.source.device)
        return velocity_loss(
            velocity, pair.source[rows], pair.target[rows], pair.weights[rows], pair.surface[others], training
        )

    outcome = train(
        velocity,
        loss_of_step,
        steps=training.updates,
        schedule=training.schedule,
        run=run,
        reserve=reserve,
        preview=None if preview is None else lambda: preview(velocity),
    )
    return velocity, outcome


def velocity_loss(
    velocity: VelocityField,
    source: Tensor,  # [B, 3]
    target: Tensor,  # [B, 3]
    weights: Tensor,  # [B]
    surface: Tensor,  # [S, 3]
    training: PaperTraining,
) -> Tensor:
    """Weighted sum of matching at the end and smoothness and divergence along the way; a scalar.

    The weights are those of displacements per step: each term of V is taken of V / T.
    """
    second = ACTIVATIONS[training.activation].smooth
    seen: list[Jets] = []

    def watched(points: Tensor, time: float) -> Tensor:
        if second or training.divergence_weight:
            seen.append(velocity.jets(points, time, second=second))
        else:
            seen.append(Jets(velocity(points, time), points.new_zeros(0), None))
        return seen[-1].value

    positions, _ = unroll(watched, torch.cat([source, surface]), steps=training.steps, method="euler")
    dt = 1.0 / training.steps
    smooth = [
        smoothness(dt * jets.value, None if jets.laplacian is None else dt * jets.laplacian, training.alpha)
        for jets in seen
    ]
    loss = training.match_weight * matching(positions[-1][: len(source)], target, weights)
    loss = loss + training.smooth_weight * torch.stack(smooth).mean()
    if training.divergence_weight:
        grown = torch.stack([divergence(dt * jets.jacobian) for jets in seen]).mean()
        loss = loss + training.divergence_weight * grown
    return loss


def _draw(count: int, batch: int, generator: torch.Generator) -> Tensor:
    """Up to ``batch`` of ``count`` numbers, none twice. (Theirs repeats some when there are too few.)"""
    return torch.randperm(count, generator=generator)[:batch]

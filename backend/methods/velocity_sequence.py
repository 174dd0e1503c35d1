"""4Deform's training of a velocity network on a sequence of shapes, all legs together.

Sang et al., 4Deform: Neural Surface Deformation for Robust Shape Interpolation, CVPR 2025: the velocity terms of its
loss with the weights of its configuration for human shapes. The points of every leg start on its first shape and are
carried through T Euler steps to its second one; the gradient passes through every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backend.fields.activations import ACTIVATIONS
from backend.fields.sequence_velocity import SequenceShape, SequenceVelocity
from backend.losses.distortion import distortion
from backend.losses.divergence import divergence
from backend.losses.matching import matching
from backend.losses.smoothness import ALPHA, smoothness
from backend.losses.stretching import stretching
from backend.training.loop import Outcome, train
from backend.training.run import Run
from backend.training.schedule import Halving

if TYPE_CHECKING:
    from backend.methods.method import Morph


@dataclass(frozen=True)
class SequenceTraining:
    """The numbers of a training. Weights are those of displacements per step."""

    leg_steps: int = 5  # Euler steps T of every leg
    width: int = 256
    depth: int = 8
    batch: int = 8192  # points in every update, shared out among the legs
    derived: int = 4  # one point in so many has its derivatives taken: they cost four passes of five
    updates: int = 4000
    schedule: Halving = field(default_factory=lambda: Halving(first=5e-4))
    match_weight: float = 100.0
    smooth_weight: float = 20.0
    divergence_weight: float = 20.0
    distortion_weight: float = 100.0
    stretching_weight: float = 0.7
    alpha: float = ALPHA  # squared units
    activation: str = "softplus"  # with ReLU, as published, the Laplacian is 0

    @property
    def needs_jacobian(self) -> bool:
        weights = (self.divergence_weight, self.distortion_weight, self.stretching_weight)
        return any(weights) or ACTIVATIONS[self.activation].smooth


@dataclass(frozen=True, eq=False)
class SequenceBatch:
    """Points of all legs with what is wanted of them, in unit coordinates."""

    legs: Tensor  # [N], from 0
    start: Tensor  # [N, 3], on the first shape of the leg
    goal: Tensor  # [N, 3], on the second
    normals: Tensor  # [N, 3], unit, at the start


def fit_sequence(
    poses: Tensor,  # [L + 1, W, 3], unit coordinates
    normals: Tensor,  # [L + 1, W, 3], unit
    training: SequenceTraining,
    run: Run,
    *,
    reserve: float = 0.0,
    preview: Callable[[SequenceVelocity], Morph] | None = None,
) -> tuple[SequenceVelocity, Outcome]:
    """Trains one network on every leg; ``reserve`` seconds of the run's time are left over."""
    legs = len(poses) - 1
    scale = float(legs * training.leg_steps)
    shape = SequenceShape(legs, training.width, training.depth, training.activation, scale)
    velocity = SequenceVelocity(shape, seed=run.seed).to(poses)
    generator = torch.Generator().manual_seed(run.seed)

    def loss_of_step(step: int) -> Tensor:
        share = -(-training.batch // legs)
        rows = torch.stack([torch.randperm(poses.shape[1], generator=generator)[:share] for _ in range(legs)])
        leg = torch.arange(legs)[:, None].expand_as(rows).reshape(-1).to(poses.device)
        row = rows.reshape(-1).to(poses.device)
        batch = SequenceBatch(leg, poses[leg, row], poses[leg + 1, row], normals[leg, row])
        return sequence_loss(velocity, batch, training)

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


def sequence_loss(velocity: SequenceVelocity, batch: SequenceBatch, training: SequenceTraining) -> Tensor:
    """Weighted sum of matching at the end of every leg, and along it smoothness, divergence, distortion, stretching.

    Displacements per step u = V / (L T): a step goes from p to p + u, its deformation is F = I + grad u. What needs
    derivatives is the mean over a part of the points.
    """
    if not training.needs_jacobian:
        arrived, along = _carried(velocity, batch, training)
        return training.match_weight * matching(arrived, batch.goal) + along
    derived = torch.arange(len(batch.start), device=batch.start.device) % training.derived == 0
    some, others = _part(batch, derived), _part(batch, ~derived)
    arrived, along = _carried_with_derivatives(velocity, some, training)
    arrived = torch.cat([arrived, _carried(velocity, others, training)[0]])
    return training.match_weight * matching(arrived, torch.cat([some.goal, others.goal])) + along


def _carried(velocity: SequenceVelocity, batch: SequenceBatch, training: SequenceTraining) -> tuple[Tensor, Tensor]:
    """Where the points arrive [N, 3], and the weighted mean of |u|^2: all that smoothness is without a Laplacian."""
    dt, points, along = 1.0 / velocity.shape.output_scale, batch.start, []
    for step in range(training.leg_steps):
        share = points.new_full((1,), step / training.leg_steps).expand(len(points))
        displacement = dt * velocity.between(points, share, batch.legs, batch.legs + 1)
        along.append(smoothness(displacement, None, training.alpha))
        points = points + displacement
    return points, training.smooth_weight * torch.stack(along).mean()


def _carried_with_derivatives(
    velocity: SequenceVelocity, batch: SequenceBatch, training: SequenceTraining
) -> tuple[Tensor, Tensor]:
    """Where the points arrive [N, 3], and the weighted sum of the terms of the way, their mean over the steps."""
    second = ACTIVATIONS[training.activation].smooth
    dt, points, normals, along = 1.0 / velocity.shape.output_scale, batch.start, batch.normals, []
    for step in range(training.leg_steps):
        share = points.new_full((1,), step / training.leg_steps).expand(len(points))
        jets = velocity.jets_between(points, share, batch.legs, batch.legs + 1, second=second)
        displacement, jacobian = dt * jets.value, dt * jets.jacobian
        laplacian = None if jets.laplacian is None else dt * jets.laplacian
        along.append(
            training.smooth_weight * smoothness(displacement, laplacian, training.alpha)
            + training.divergence_weight * divergence(jacobian)
            + training.distortion_weight * distortion(jacobian)
            + training.stretching_weight * stretching(jacobian, normals, 1.0)
        )
        normals = carried_normals(jacobian.detach(), normals)
        points = points + displacement
    return points, torch.stack(along).mean()


def _part(batch: SequenceBatch, which: Tensor) -> SequenceBatch:
    return SequenceBatch(batch.legs[which], batch.start[which], batch.goal[which], batch.normals[which])


def carried_normals(jacobian: Tensor, normals: Tensor) -> Tensor:
    """Unit normals [N, 3] of a surface after a step with displacement gradient ``jacobian`` [N, 3, 3].

    A deformation F takes normals along with its cofactors, cof F = det(F) F^-T; their rows are cross products of the
    rows of F.
    """
    a, b, c = (torch.eye(3).to(jacobian) + jacobian).unbind(1)  # rows of F, [N, 3]
    cofactors = torch.stack([torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)], dim=1)
    moved = (cofactors @ normals[:, :, None])[:, :, 0]
    unit: Tensor = moved / moved.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return unit

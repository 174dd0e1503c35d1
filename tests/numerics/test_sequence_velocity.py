"""The pair-conditioned velocity network, its training on all legs, and its losses on fields known in closed form."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.fields.derivatives import value_and_jacobian
from backend.fields.sequence_velocity import CODE, SequenceShape, SequenceVelocity
from backend.flow.advect import advect
from backend.losses.distortion import distortion
from backend.losses.divergence import divergence
from backend.losses.matching import matching
from backend.losses.smoothness import smoothness
from backend.losses.stretching import stretching
from backend.methods.velocity_sequence import (
    SequenceBatch,
    SequenceTraining,
    carried_normals,
    fit_sequence,
    sequence_loss,
)
from backend.training.path_samples import vertex_normals
from backend.training.run import Run
from backend.training.schedule import Halving
from tests.meshes import rotation
from tests.methods.poses import bar, bent

SHAPE = SequenceShape(legs=3, width=32, depth=3, activation="softplus", output_scale=6.0)


def some_points(count: int = 40) -> Tensor:
    return torch.rand((count, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 0.5


def some_normals(count: int = 40) -> Tensor:
    normals = some_points(count) + 0.1
    return normals / normals.norm(dim=1, keepdim=True)


def network(shape: SequenceShape = SHAPE) -> SequenceVelocity:
    return SequenceVelocity(shape, zero_last=False).double()


def number(value: int) -> Tensor:
    return torch.tensor([value])


def test_the_published_network() -> None:
    """The inputs x, t and two codes of 64 again at the fourth of eight layers of 256."""
    shape = SequenceShape(legs=1).mlp()
    assert (shape.inputs, shape.skip, CODE) == (132, 3, 64)
    assert shape.sizes()[3] == (256 + 132, 256 - 132)
    assert SequenceShape(legs=1, width=64, depth=8).mlp().skip is None


def test_other_shapes_and_their_order_change_the_velocity() -> None:
    velocity, points, half = network(), some_points(), torch.tensor([0.5], dtype=torch.float64)
    pairs = ((0, 1), (1, 0), (1, 2), (0, 0))
    seen = [velocity.between(points, half, number(a), number(b)).detach() for a, b in pairs]
    for index, one in enumerate(seen):
        for other in seen[index + 1 :]:
            assert float((one - other).abs().max()) > 1e-4 * float(one.abs().max())
    later = velocity.between(points, half + 0.3, number(0), number(1))
    assert not torch.equal(later, seen[0])


def test_the_whole_motion_is_made_of_its_legs() -> None:
    velocity, points = network(), some_points()
    for leg, share in ((0, 0.0), (1, 0.0), (1, 0.25), (2, 0.5), (2, 1.0)):
        wanted = velocity.between(points, torch.tensor([share], dtype=torch.float64), number(leg), number(leg + 1))
        torch.testing.assert_close(velocity(points, (leg + share) / 3), wanted)
    times = torch.linspace(0.01, 0.99, len(points), dtype=torch.float64)
    one_by_one = torch.cat([velocity(points[i : i + 1], float(times[i])) for i in range(len(points))])
    torch.testing.assert_close(velocity(points, times), one_by_one)
    torch.testing.assert_close(velocity(points, times[:, None]), one_by_one)


def test_the_derivatives_are_those_of_autograd() -> None:
    velocity, points = network(), some_points(8)
    share, legs = torch.full((8,), 0.3, dtype=torch.float64), torch.arange(8) % 3
    jets = velocity.jets_between(points, share, legs, legs + 1, second=True)
    value, jacobian = value_and_jacobian(lambda x, _: velocity.between(x, share, legs, legs + 1), points, 0.0)
    torch.testing.assert_close(jets.value, value)
    torch.testing.assert_close(jets.jacobian, jacobian)
    h = 1e-3
    around = [velocity.between(points + s * h * axis, share, legs, legs + 1) for axis in torch.eye(3) for s in (1, -1)]
    measured = (torch.stack(around).sum(0) - 6 * value) / h**2
    assert jets.laplacian is not None
    torch.testing.assert_close(jets.laplacian, measured, rtol=1e-2, atol=1e-3 * measured.abs().max().item())


def batch_of(legs: int, count: int = 30) -> SequenceBatch:
    points, normals = some_points(count), some_normals(count)
    return SequenceBatch(torch.arange(count) % legs, points, points + 0.1, normals)


def test_the_gradient_reaches_the_codes_of_every_shape() -> None:
    velocity = network()
    sequence_loss(velocity, batch_of(3), SequenceTraining(leg_steps=2)).backward()
    assert velocity.codes.weight.grad is not None
    assert (velocity.codes.weight.grad.norm(dim=1) > 0).all()
    only_first = network()
    batch = replace(batch_of(3), legs=torch.zeros(30, dtype=torch.long))
    sequence_loss(only_first, batch, SequenceTraining(leg_steps=2)).backward()
    assert only_first.codes.weight.grad is not None
    assert (only_first.codes.weight.grad.norm(dim=1) > 0).tolist() == [True, True, False, False]


@pytest.mark.parametrize("activation", ["softplus", "relu"])
def test_the_loss_is_its_terms(activation: str) -> None:
    """Against the same loss written with autograd and plain steps."""
    training = SequenceTraining(leg_steps=2, activation=activation, derived=1)
    velocity, batch = network(replace(SHAPE, activation=activation)), batch_of(3, 12)
    x, n, total = batch.start, batch.normals, 0.0
    for step in range(2):
        share = torch.tensor([step / 2], dtype=torch.float64)

        def displacement(points: Tensor, _: float, share: Tensor = share) -> Tensor:
            return velocity.between(points, share.expand(len(points)), batch.legs, batch.legs + 1) / 6.0

        u, jacobian = value_and_jacobian(displacement, x.detach(), 0.0)
        everywhere = velocity.jets_between(x, share.expand(12), batch.legs, batch.legs + 1, second=True).laplacian
        assert everywhere is not None
        deformation = torch.eye(3).double() + jacobian
        total += 20.0 * smoothness(u, everywhere / 6.0) + 20.0 * divergence(jacobian)
        total += 100.0 * distortion(jacobian) + 0.7 * stretching(jacobian, n, 1.0)
        n = torch.linalg.solve(deformation.transpose(1, 2), n)
        n = n / n.norm(dim=1, keepdim=True)
        x = x + u
    wanted = 100.0 * matching(x, batch.goal) + total / 2
    torch.testing.assert_close(sequence_loss(velocity, batch, training), wanted)


def test_without_terms_of_the_jacobian_only_values_are_computed() -> None:
    plain = SequenceTraining(
        leg_steps=2, activation="relu", divergence_weight=0.0, distortion_weight=0.0, stretching_weight=0.0
    )
    velocity, batch = network(replace(SHAPE, activation="relu")), batch_of(3)
    assert not plain.needs_jacobian
    tiny = replace(plain, divergence_weight=1e-12, derived=1)
    torch.testing.assert_close(sequence_loss(velocity, batch, plain), sequence_loss(velocity, batch, tiny))


def test_derivatives_are_taken_of_a_part_of_the_points_and_all_are_matched() -> None:
    velocity, batch = network(), batch_of(3)
    matched = SequenceTraining(
        leg_steps=2, smooth_weight=0.0, divergence_weight=0.0, distortion_weight=0.0, stretching_weight=0.0
    )
    every = sequence_loss(velocity, batch, replace(matched, derived=1))
    torch.testing.assert_close(sequence_loss(velocity, batch, matched), every)
    some = SequenceBatch(batch.legs[::4], batch.start[::4], batch.goal[::4], batch.normals[::4])
    unmatched = SequenceTraining(leg_steps=2, match_weight=0.0)
    one_in_four, of_those = (
        sequence_loss(velocity, *with_) for with_ in ((batch, unmatched), (some, replace(unmatched, derived=1)))
    )
    torch.testing.assert_close(one_in_four, of_those)


def test_rigid_motions_cost_nothing() -> None:
    """A rigid velocity has no distortion; a rigid step, x -> R x, no stretching either."""
    turn = torch.tensor(rotation([1.0, 2.0, -0.5], 40.0))
    _, jacobian = value_and_jacobian(lambda x, _: x @ (turn - torch.eye(3)).T + 1.0, some_points(), 0.0)
    assert stretching(jacobian, some_normals(), 1.0).item() == pytest.approx(0.0, abs=1e-12)
    spin = torch.linalg.cross(torch.tensor([[0.3, -1.0, 2.0]]).double(), torch.eye(3).double()).T
    _, jacobian = value_and_jacobian(lambda x, _: x @ spin.T, some_points(), 0.0)
    assert distortion(jacobian).item() == pytest.approx(0.0, abs=1e-24)
    assert divergence(jacobian).item() == pytest.approx(0.0, abs=1e-24)
    for dt in (0.1, 0.01):  # an Euler step of a turn grows by second order only
        assert stretching(jacobian, some_normals(), dt).item() < 8.0 * dt**2


def test_growth_alike_in_all_directions() -> None:
    """V = g x: no distortion; every length in the surface grows by 1 + g dt."""
    g, dt = 0.7, 0.2
    _, jacobian = value_and_jacobian(lambda x, _: g * x, some_points(), 0.0)
    assert distortion(jacobian).item() == pytest.approx(0.0, abs=1e-24)
    assert divergence(jacobian).item() == pytest.approx((3 * g) ** 2)
    grown = (1 + g * dt) ** 2 - 1
    assert stretching(jacobian, some_normals(), dt).item() == pytest.approx(math.sqrt(2) * grown)


def test_growth_along_one_axis() -> None:
    """V = (g x, 0, 0): tr(D^2)/2 - tr(D)^2/6 = g^2/3."""
    g = 0.7
    _, jacobian = value_and_jacobian(lambda x, _: g * x * torch.tensor([1.0, 0.0, 0.0]).double(), some_points(), 0.0)
    assert distortion(jacobian).item() == pytest.approx((g * g / 3) ** 2)


def test_normals_are_carried_like_the_surface() -> None:
    deformation = torch.tensor([[1.5, 0.2, 0.0], [-0.1, 0.7, 0.3], [0.0, 0.0, 1.1]], dtype=torch.float64)
    normals = some_normals(5)
    across = torch.linalg.cross(normals, torch.tensor([[0.2, 0.5, -1.0]]).double().expand(5, 3))
    moved = carried_normals((deformation - torch.eye(3)).expand(5, 3, 3), normals)
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(5).double())
    torch.testing.assert_close((moved * (across @ deformation.T)).sum(1), torch.zeros(5).double())
    assert ((moved * normals).sum(1) > 0).all()


def bending_bar() -> tuple[Tensor, Tensor]:
    """Three poses [3, W, 3] of a bar that bends and turns, and their normals."""
    start = bar().positions()
    turn = rotation([0, 0, 1], 25.0)
    poses = [start, bent(start, 0.6) @ turn.T, bent(start, 1.2) @ turn.T @ turn.T]
    tensor = torch.tensor(np.stack(poses), dtype=torch.float32)
    return tensor, vertex_normals(tensor, torch.tensor(bar().triangles().astype(np.int64)))


SMALL = SequenceTraining(leg_steps=5, width=64, depth=3, batch=96, updates=150, schedule=Halving(3e-3, 80))


def test_one_training_learns_every_leg_and_passes_the_middle_pose() -> None:
    poses, normals = bending_bar()
    losses: list[float] = []
    run = Run(on_progress=lambda phase, step, total, loss, left: losses.append(loss or 0.0))
    velocity, outcome = fit_sequence(poses, normals, SMALL, run)
    assert outcome.steps == 150
    assert outcome.best_loss < 0.2 * losses[0]
    flow = advect(velocity, poses[0], steps=10, method="euler").positions
    for index in (1, 2):
        missed = (flow[5 * index] - poses[index]).norm(dim=1).mean()
        assert missed < 0.05 * (poses[index] - poses[index - 1]).norm(dim=1).mean()


def test_equal_seeds_train_equal_networks() -> None:
    poses, normals = bending_bar()
    few = replace(SMALL, updates=3)
    one, same, other = (fit_sequence(poses, normals, few, Run(seed=seed))[0] for seed in (0, 0, 1))
    assert torch.equal(one(poses[0], 0.2), same(poses[0], 0.2))
    assert not torch.equal(one(poses[0], 0.2), other(poses[0], 0.2))

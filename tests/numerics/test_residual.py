"""What a network adds to a known distance: its derivatives, and losses that vanish for a surface that obeys them."""

from __future__ import annotations

import pytest
import torch

from backend.fields.residual import ResidualField, ResidualShape
from backend.training.residual_fit import DistanceLabels, ResidualFit, fit_residual, residual_loss
from backend.training.run import Run


def network(seed: int = 0) -> ResidualField:
    """A small one that is not nothing."""
    field = ResidualField(ResidualShape(16, 2), seed=seed).double()
    torch.nn.init.normal_(field.mlp.layer(-1).weight, generator=torch.Generator().manual_seed(seed))
    return field


def test_derivatives_are_those_of_autograd():
    field = network()
    generator = torch.Generator().manual_seed(1)
    points = torch.randn(50, 3, dtype=torch.float64, generator=generator).requires_grad_()
    times = torch.rand(50, dtype=torch.float64, generator=generator).requires_grad_()
    found = field.derivatives(points, times)
    value = field(points, times)
    gradient, rate = torch.autograd.grad(value.sum(), (points, times))
    assert torch.allclose(found.value, value)
    assert torch.allclose(found.gradient, gradient, atol=1e-12)
    assert torch.allclose(found.rate, rate, atol=1e-12)


def test_nothing_is_added_at_the_ends_or_before_the_training():
    points = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for t in (0.0, 1.0):
        assert network()(points, torch.full((20,), t, dtype=torch.float64)).abs().max() == 0.0
    new = ResidualField(ResidualShape(16, 2)).double()
    assert new(points, torch.full((20,), 0.5, dtype=torch.float64)).abs().max() == 0.0


def moving_sphere(velocity: torch.Tensor, believed: torch.Tensor, trust: float) -> DistanceLabels:
    """Labels of a unit sphere that moves with ``velocity`` [3], near it, with ``believed`` [3] as its motion."""
    generator = torch.Generator().manual_seed(3)
    times = torch.rand(400, generator=generator)
    away = torch.nn.functional.normalize(torch.randn(400, 3, generator=generator), dim=1)
    distances = 0.02 * torch.randn(400, generator=generator)
    points = (1 + distances)[:, None] * away + times[:, None] * velocity
    return DistanceLabels(
        points, times, distances, away, -(away @ velocity), torch.full((400,), trust), believed.expand(400, 3)
    )  # fmt: skip


def test_a_distance_that_moves_with_its_velocity_needs_nothing_added():
    velocity = torch.tensor([0.4, -0.2, 0.1])
    fit = ResidualFit(1, 1, 1.0)
    untrained = ResidualField(ResidualShape(16, 2))
    assert residual_loss(untrained, moving_sphere(velocity, velocity, 0.0), fit).item() == pytest.approx(0.0, abs=1e-10)
    assert residual_loss(untrained, moving_sphere(velocity, 0.5 * velocity, 0.0), fit).item() > 1e-4


def test_trusted_labels_hold_the_network_at_nothing():
    labels = moving_sphere(torch.tensor([0.4, 0.0, 0.0]), torch.zeros(3), 1.0)
    fit = ResidualFit(1, 1, 1.0)
    assert residual_loss(ResidualField(ResidualShape(16, 2)), labels, fit).item() == 0.0
    assert residual_loss(network().float(), labels, fit).item() > 0.01


def test_training_makes_a_blend_obey_the_equations_better():
    """A guess that is too flat and moves too fast: half the distance, of a sphere that shrinks for no reason."""
    generator = torch.Generator().manual_seed(4)
    times = torch.rand(2000, generator=generator)
    points = 1.5 * (2 * torch.rand(2000, 3, generator=generator) - 1)
    length = points.norm(dim=1)
    bulge = 4 * times * (1 - times)
    labels = DistanceLabels(
        points, times, 0.5 * (length - 1 + 0.3 * bulge), 0.5 * points / length[:, None],
        0.15 * (4 - 8 * times), torch.zeros(2000), torch.zeros(2000, 3),
    )  # fmt: skip
    fit = ResidualFit(steps=200, batch=500, learning_rate=5e-3)
    field = ResidualField(ResidualShape(32, 2))
    before = residual_loss(field, labels, fit).item()
    fit_residual(field, labels, fit, Run(), 0.0, lambda _: pytest.fail("nobody asked for a preview"))
    assert residual_loss(field, labels, fit).item() < 0.6 * before

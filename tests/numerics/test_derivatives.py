"""Derivatives computed going forward or by an explicit sweep, against plain autograd and against formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from backend.fields import derivatives
from backend.fields.activations import ACTIVATIONS
from backend.fields.implicit import ImplicitField
from backend.fields.mlp import Mlp, MlpShape
from backend.fields.velocity import VelocityField, VelocityShape, paper_shape

SHAPES = [
    pytest.param(VelocityShape(width=24, depth=2, activation=name, skip=skip, time_dependent=moving, output_scale=1.5))
    for name in ACTIVATIONS
    for skip in (None, 1)
    for moving in (True, False)
]


def sample(count: int = 50) -> Tensor:
    return torch.rand((count, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activation_derivatives(name: str) -> None:
    x = torch.linspace(-3.0, 3.0, 121, dtype=torch.float64).requires_grad_()  # 0 is left out: ReLU has no slope there
    x = torch.cat([x[x < 0], x[x > 0]]).detach().requires_grad_()
    value, first, second = ACTIVATIONS[name].derivatives(x)
    torch.testing.assert_close(value, ACTIVATIONS[name].value(x))
    slope = torch.autograd.grad(value.sum(), x, create_graph=True)[0]
    torch.testing.assert_close(first, slope)
    if ACTIVATIONS[name].smooth:
        torch.testing.assert_close(second, torch.autograd.grad(slope.sum(), x)[0])
    else:
        assert not second.any()


@pytest.mark.parametrize("shape", SHAPES)
def test_jets_against_autograd(shape: VelocityShape) -> None:
    field = VelocityField(shape, seed=1, zero_last=False).double()
    points, time = sample(), 0.3
    jets = field.jets(points, time, second=True)
    torch.testing.assert_close(jets.value, field(points, time))
    torch.testing.assert_close(jets.jacobian, derivatives.value_and_jacobian(field, points, time)[1])
    assert jets.laplacian is not None
    if ACTIVATIONS[shape.activation].smooth:
        torch.testing.assert_close(jets.laplacian, derivatives.laplacian(field, points, time))
    else:
        assert not jets.laplacian.any()  # a ReLU network has no second derivatives
    without = field.jets(points, time)
    assert without.laplacian is None
    torch.testing.assert_close(without.jacobian, jets.jacobian)


def test_a_time_of_its_own_for_every_point() -> None:
    field = VelocityField(VelocityShape(width=16, depth=2), zero_last=False).double()
    points = sample(4)
    times = torch.tensor([0.0, 0.2, 0.7, 1.0], dtype=torch.float64)
    each = torch.cat([field(points[k : k + 1], float(times[k])) for k in range(4)])
    torch.testing.assert_close(field(points, times), each)
    torch.testing.assert_close(field(points, times[:, None]), each)


def test_training_through_jets_has_the_gradients_of_double_backward() -> None:
    field = VelocityField(VelocityShape(width=16, depth=3, skip=1), seed=2, zero_last=False).double()
    points = sample()
    field.zero_grad()
    jets = field.jets(points, 0.4, second=True)
    assert jets.laplacian is not None
    (jets.laplacian.square().mean() + jets.jacobian.square().mean()).backward()
    fast = gradients(field)
    field.zero_grad()
    _, jacobian = derivatives.value_and_jacobian(field, points, 0.4)
    (derivatives.laplacian(field, points, 0.4).square().mean() + jacobian.square().mean()).backward()
    for one, other in zip(fast, gradients(field), strict=True):
        torch.testing.assert_close(one, other)


def gradients(field: VelocityField) -> list[Tensor]:
    """Of every parameter; the last bias has no part in any derivative."""
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in field.parameters()]


def test_derivatives_of_a_formula() -> None:
    """V = (x^2 y, sin z, t x z)."""

    def field(points: Tensor, time: float) -> Tensor:
        x, y, z = points.unbind(-1)
        return torch.stack([x * x * y, torch.sin(z), time * x * z], dim=-1)

    points, t = sample(), 0.5
    x, y, z = points.unbind(-1)
    o = torch.zeros_like(x)
    _, jacobian = derivatives.value_and_jacobian(field, points, t)
    rows = [
        torch.stack([2 * x * y, x * x, o], -1),
        torch.stack([o, o, z.cos()], -1),
        torch.stack([t * z, o, t * x], -1),
    ]
    torch.testing.assert_close(jacobian, torch.stack(rows, 1))
    torch.testing.assert_close(derivatives.divergence(jacobian), 2 * x * y + t * x)
    torch.testing.assert_close(derivatives.laplacian(field, points, t), torch.stack([2 * y, -z.sin(), o], -1))
    diagonal = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64) / math.sqrt(2)
    change = derivatives.hessian_vector(field, points, t, diagonal)  # d J / d diagonal
    torch.testing.assert_close(change @ diagonal, torch.stack([y, -z.sin() / 2, t + o], -1))
    strain = derivatives.strain_rate(jacobian)
    torch.testing.assert_close(strain, (jacobian + jacobian.mT) / 2)


@pytest.mark.parametrize("skip", [None, 0, 2])
def test_reverse_sweep_against_autograd(skip: int | None) -> None:
    torch.manual_seed(0)
    mlp = Mlp(MlpShape(4, 1, 20, 4, "softplus", skip)).double()
    inputs = torch.rand((30, 4), dtype=torch.float64).requires_grad_()
    value, gradient = mlp.value_and_gradient(inputs)
    plain = mlp(inputs)[:, 0]
    torch.testing.assert_close(value, plain)
    expected = torch.autograd.grad(plain.sum(), inputs, create_graph=True)[0]
    torch.testing.assert_close(gradient, expected)
    parameters = [p for name, p in mlp.named_parameters() if not name.endswith("4.bias")]
    fast = torch.autograd.grad(gradient.norm(dim=1).sum(), parameters, retain_graph=True)
    slow = torch.autograd.grad(expected.norm(dim=1).sum(), parameters)
    for one, other in zip(fast, slow, strict=True):
        torch.testing.assert_close(one, other)


def test_implicit_field_derivatives() -> None:
    torch.manual_seed(0)
    field = ImplicitField(width=32).double()
    points, e = sample(), 1e-6
    found = field.derivatives(points, 0.3)
    torch.testing.assert_close(found.value, field(points, 0.3))
    rate = (field(points, 0.3 + e) - field(points, 0.3 - e)) / (2 * e)
    torch.testing.assert_close(found.rate, rate, rtol=1e-6, atol=1e-8)
    for axis in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = e
        slope = (field(points + step, 0.3) - field(points - step, 0.3)) / (2 * e)
        torch.testing.assert_close(found.gradient[:, axis], slope, rtol=1e-6, atol=1e-8)


def test_last_layer_zero_is_rest_and_seeds_decide_the_rest() -> None:
    points = sample().float()
    still = VelocityField(paper_shape(10))
    assert not still(points, 0.0).any()
    one, same, other = (VelocityField(VelocityShape(), seed=seed, zero_last=False) for seed in (4, 4, 5))
    assert torch.equal(one(points, 0.5), same(points, 0.5))
    assert not torch.equal(one(points, 0.5), other(points, 0.5))


def test_features_times_the_last_layer_is_the_field() -> None:
    field = VelocityField(VelocityShape(width=40, depth=1, output_scale=2.0), seed=1, zero_last=False).double()
    points = sample()
    last = field.mlp.layer(-1)
    torch.testing.assert_close(field.features(points, 0.2) @ last.weight.T + 2.0 * last.bias, field(points, 0.2))


def test_the_papers_network_has_the_papers_size() -> None:
    assert sum(p.numel() for p in VelocityField(paper_shape(10)).parameters()) == 461_559
    assert sum(p.numel() for p in ImplicitField().parameters()) == 461_037

"""The Lipschitz-bounded network: layers against the formula, bound against chance, gradient against autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from backend.fields.lipschitz_mlp import LipschitzMlp, wide_normal_
from backend.fields.mlp import MlpShape
from backend.losses.lipschitz import lipschitz


def network(
    activation: str = "softplus",
    seed: int = 0,
    *,
    width: int = 24,
    depth: int = 3,
    outputs: int = 1,
    tight: float = 0.0,
) -> LipschitzMlp:
    """A small network in double precision; ``tight`` lowers every c by that share of itself."""
    torch.manual_seed(seed)
    made = LipschitzMlp(MlpShape(4, outputs, width, depth, activation)).double()
    wide_normal_(made, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        made.c.mul_(1.0 - tight)
        for index in range(depth + 1):
            made.mlp.layer(index).bias.normal_(0.0, 0.3, generator=torch.Generator().manual_seed(seed + index))
    return made


def by_the_formula(made: LipschitzMlp, x: np.ndarray) -> np.ndarray:
    """Row by row, as the formula reads."""
    layers = len(made.mlp.layers)
    for index in range(layers):
        weight = made.mlp.layer(index).weight.detach().numpy()
        bias = made.mlp.layer(index).bias.detach().numpy()
        bound = math.log1p(math.exp(float(made.c[index].detach())))
        rows = np.stack([row * min(1.0, bound / np.abs(row).sum()) for row in weight])
        x = rows @ x + bias
        if index < layers - 1:
            x = np.log1p(np.exp(100.0 * x)) / 100.0
    return x


@pytest.mark.parametrize("tight", [0.0, 0.5, 0.95])
def test_a_layer_is_that_of_the_formula(tight: float):
    made = network(outputs=2, tight=tight)
    x = np.random.default_rng(0).normal(size=4) * 0.3
    np.testing.assert_allclose(made(torch.tensor(x)[None])[0].detach().numpy(), by_the_formula(made, x), atol=1e-12)


def test_at_the_start_no_weight_is_touched():
    made = network()
    for index, (weight, _) in enumerate(made.layers()):
        raw = made.mlp.layer(index).weight
        assert torch.equal(weight, raw)
        assert float(made.c[index].detach()) == float(raw.detach().abs().sum(dim=1).max())


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    tight=st.floats(0.0, 0.99),
    activation=st.sampled_from(["relu", "softplus", "sine"]),
    scale=st.sampled_from([1e-3, 0.1, 3.0]),
)
def test_the_product_of_the_bounds_bounds_every_difference(seed, tight, activation, scale):
    made = network(activation, seed, width=16, outputs=3, tight=tight)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(200, 4, dtype=torch.float64, generator=generator)
    y = x + scale * torch.randn(200, 4, dtype=torch.float64, generator=generator).sign()
    with torch.no_grad():
        moved = (made(x) - made(y)).abs().amax(dim=1)
        bound = functional.softplus(made.c).prod()
        assert torch.allclose(made.log_bound().exp(), bound)
        assert bool((moved <= (1 + 1e-9) * bound * (x - y).abs().amax(dim=1)).all())


def test_the_bound_is_reached_by_a_network_of_one_sign():
    """It is the right norm: with weights of one sign and ReLU layers the bound is what the network does."""
    made = LipschitzMlp(MlpShape(4, 1, 8, 2, "relu")).double()
    with torch.no_grad():
        for index in range(3):
            made.mlp.layer(index).weight.abs_()
            made.mlp.layer(index).weight.div_(made.mlp.layer(index).weight.sum(dim=1, keepdim=True))  # rows sum up to 1
            made.mlp.layer(index).bias.zero_()
        made.bound_()
        made.c.fill_(math.log(math.expm1(0.7)))
        x = torch.ones(1, 4, dtype=torch.float64)
        assert float(made(2 * x) - made(x)) == pytest.approx(0.7**3)


@pytest.mark.parametrize("activation", ["softplus", "sine"])
def test_the_gradient_is_that_of_autograd_and_so_are_its_derivatives(activation: str):
    made = network(activation, tight=0.5)
    inputs = 0.3 * torch.randn(40, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    value, gradient = made.value_and_gradient(inputs)
    ours = torch.autograd.grad((gradient.square().sum() + value.sum()), list(made.parameters()))

    x = inputs.clone().requires_grad_()
    twin = made(x)[:, 0]
    twin_gradient = torch.autograd.grad(twin.sum(), x, create_graph=True)[0]
    theirs = torch.autograd.grad((twin_gradient.square().sum() + twin.sum()), list(made.parameters()))
    assert torch.allclose(value, twin, atol=1e-12)
    assert torch.allclose(gradient, twin_gradient, atol=1e-10)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-7, atol=1e-8)
    assert float(ours[0].abs().max()) > 0.0  # c is trained


def test_normalised_weights_are_the_same_function_and_change_nothing():
    made = network(tight=0.6)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    plain = made.normalised()
    inputs = torch.randn(50, 4, dtype=torch.float64)
    assert torch.allclose(plain.double()(inputs), made(inputs), atol=1e-6)
    with torch.no_grad():
        plain.layer(0).weight.zero_()
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())


def test_the_last_layer_obeys_its_bound_in_training_too():
    made = network()
    inputs = torch.randn(50, 4, dtype=torch.float64)
    with torch.no_grad():
        free = made(inputs)
        made.c[-1] = math.log(math.expm1(0.5))
        assert float((made(inputs) - free).abs().max()) > 0.1
    slope = torch.autograd.grad(made(inputs).square().sum(), made.c)[0]
    assert float(slope[-1].abs()) > 0.0


def test_the_bound_of_the_published_size_and_what_its_weight_makes_of_it():
    made = LipschitzMlp(MlpShape(4, 1, 512, 8, "softplus"))
    wide_normal_(made, torch.Generator().manual_seed(0))
    assert sum(p.numel() for p in made.parameters()) == 1_841_674
    product = float(lipschitz(made.log_bound()).detach())
    assert 2e12 < product < 2e13  # the wrong sums, over columns, give 1.7e12
    slopes = torch.autograd.grad(1e-10 * lipschitz(made.log_bound()), made.c)[0]
    # Every bound is pulled by the whole loss over itself, whatever its size.
    c = made.c.detach()
    shares = 1e-10 * product * torch.sigmoid(c) / functional.softplus(c)
    np.testing.assert_allclose(slopes.numpy(), shares.numpy(), rtol=1e-4)


def test_a_product_beyond_single_precision_is_still_a_number():
    made = network()
    with torch.no_grad():
        made.c.fill_(1e15)
    assert float(lipschitz(made.log_bound()).detach()) == pytest.approx(1e60)


def test_networks_whose_bound_would_not_hold_are_refused():
    with pytest.raises(ValueError, match="skips"):
        LipschitzMlp(MlpShape(4, 1, 16, 3, "softplus", skip=1))
    with pytest.raises(ValueError, match="relu"):
        LipschitzMlp(MlpShape(4, 1, 16, 3, "silu"))

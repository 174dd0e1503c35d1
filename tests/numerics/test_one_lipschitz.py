"""1-Lipschitz networks: against the authors' arrays, a readable twin, autograd, and the guarantee itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.commands.bench.one_lipschitz import PlainNetwork, joint_loss, plain_loss
from backend.fields.one_lipschitz import OneLipschitz
from backend.fields.orthogonal import Orthogonal, orthogonalised
from backend.losses.hkr import hkr
from tests.numerics.parity import described_in, filled

ARRAYS = Path(__file__).parents[1] / "data" / "one_lipschitz_sll.npz"


@pytest.fixture(scope="module")
def published() -> tuple[dict[str, np.ndarray], OneLipschitz]:
    with np.load(ARRAYS) as stored:
        arrays = dict(stored)
    described = described_in("one_lipschitz_sll")
    tensors = {
        name: filled(shape, number, described["gain"]) for number, (name, shape) in enumerate(described["params"])
    }
    network = OneLipschitz(3, 32, 4).double()
    with torch.no_grad():
        for layer in range(4):
            network.weight[layer] = tensors[f"{layer + 1}.weight"]
            network.bias[layer] = tensors[f"{layer + 1}.bias"][0]
            network.scale[layer] = tensors[f"{layer + 1}.q"]
        network.last.copy_(tensors["5.parametrizations.weight.original"][0])
        network.offset.copy_(tensors["5.bias"])
    return arrays, network


def test_values_and_gradients_are_the_authors(published):
    arrays, network = published
    x = torch.from_numpy(arrays["x"])
    with torch.no_grad():
        value, gradient = network.value_and_gradient(x)
        np.testing.assert_allclose(network(x).numpy(), arrays["f"][:, 0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(value.numpy(), arrays["f"][:, 0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(gradient.numpy(), arrays["grad"], rtol=0, atol=1e-12)
        maps, _, head = network._layers()
        t = maps[0].square().sum(dim=1) / network.weight[0].square().sum(dim=1) / 2.0
        np.testing.assert_allclose(t.numpy(), arrays["first_layer_t"], rtol=1e-12)
        np.testing.assert_allclose(head.numpy(), arrays["last_weight_used"][0], rtol=1e-12)


def test_the_loss_is_the_authors(published):
    arrays, _ = published
    f = torch.from_numpy(arrays["f"][:, 0])
    inside, outside = hkr(-f[:25], 0.01, 100.0), hkr(f[25:], 0.01, 100.0)
    assert float(inside) == pytest.approx(float(arrays["hkr_in"]), abs=1e-12)
    assert float(outside) == pytest.approx(float(arrays["hkr_out"]), abs=1e-12)
    assert float(inside + outside) == pytest.approx(float(arrays["hkr_total"]), abs=1e-12)


def random_network(family: type, seed: int, depth: int = 5, width: int = 16, gain: float = 1.0, **form: int):
    """Weights of any size, not only those of a start."""
    network = family(3, width, depth, **form)
    generator = torch.Generator().manual_seed(seed)
    network.start_(generator)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            size = min(gain, 3.0) if name == "scale" else gain  # which is an exponent
            parameter.mul_(size * torch.exp(0.5 * torch.randn(parameter.shape, generator=generator)))
    return network


def test_a_training_step_is_that_of_the_plain_one():
    """Both classes in one pass and all diagonals in one product: the same loss and the same gradients."""
    network = random_network(OneLipschitz, 0, depth=20, width=24).double()
    plain = PlainNetwork(network)
    generator = torch.Generator().manual_seed(1)
    inside, outside = torch.randn(2, 40, 3, dtype=torch.float64, generator=generator)
    loss, slow = joint_loss(network)(inside, outside), plain_loss(plain)(inside, outside)
    assert float(loss.detach()) == pytest.approx(float(slow.detach()), rel=1e-12)
    ours = torch.autograd.grad(loss, list(network.parameters()))
    slow.backward()
    stacked = [torch.stack([layer.grad for layer in stack]) for stack in plain.stacks()]
    stacked += [plain.last.grad, plain.offset.grad]
    for a, b in zip(ours, stacked, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)
        assert float(a.abs().max()) > 0.0


FAMILIES = [(OneLipschitz, {}), (Orthogonal, {"group": 2}), (Orthogonal, {"group": 0}), (Orthogonal, {"group": 4})]


@pytest.mark.parametrize(("family", "form"), FAMILIES)
def test_the_sweep_is_autograds_gradient_and_so_are_its_derivatives(family, form):
    network = random_network(family, 2, **form).double()
    x = torch.randn(30, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    value, gradient = network.value_and_gradient(x)
    x.requires_grad_()
    slow = network(x)
    (slow_gradient,) = torch.autograd.grad(slow.sum(), x, create_graph=True)
    torch.testing.assert_close(value, slow, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, slow_gradient, rtol=0, atol=1e-12)
    direction = torch.randn(3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    parameters = list(network.parameters())
    ours = torch.autograd.grad((gradient @ direction).sin().sum(), parameters, materialize_grads=True)
    if family is OneLipschitz:  # whose backward pass is our own, and is differentiated once
        step, shift = 1e-6, torch.randn(network.weight.shape, dtype=torch.float64)
        with torch.no_grad():
            network.weight.add_(step * shift)
            ahead = (network.value_and_gradient(x)[1] @ direction).sin().sum()
            network.weight.sub_(2 * step * shift)
            behind = (network.value_and_gradient(x)[1] @ direction).sin().sum()
        assert float((ours[0] * shift).sum()) == pytest.approx(float(ahead - behind) / (2 * step), rel=1e-5)
        return
    theirs = torch.autograd.grad((slow_gradient @ direction).sin().sum(), parameters, materialize_grads=True)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("family", "form"), FAMILIES)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), gain=st.sampled_from([1e-3, 0.3, 1.0, 30.0]), far=st.sampled_from([0.1, 1.0, 1e3]))
def test_nothing_is_stretched(family, form, seed, gain, far):
    """In single precision, at rest and in training: pairs at the distance of ``far``, and gradients between them."""
    network = random_network(family, seed, gain=gain, **form)
    generator = torch.Generator().manual_seed(seed)
    x, y = far * torch.randn(2, 300, 3, generator=generator)
    apart = (x - y).double().norm(dim=1)
    for at_rest in (False, True):
        made = network.at_rest() if at_rest else network
        with torch.no_grad():
            rise = (made(x) - made(y)).double().abs()
            slope = made.value_and_gradient(x)[1].double().norm(dim=1)
        assert bool((rise <= apart * (1.0 + 1e-5)).all())
        assert float(slope.max()) <= 1.0 + 1e-5


@pytest.mark.parametrize(("family", "form"), FAMILIES)
def test_at_rest_the_rounded_weights_stretch_nothing_at_all(family, form):
    """What single precision holds of them, computed in double: no matrix is longer than the proof allows."""
    for seed in range(5):
        network = random_network(family, seed, **form)
        with torch.no_grad():
            before = network(torch.ones(4, 3))
        resting = network.at_rest()
        *matrices, head = resting._layers()
        matrices = matrices[0]
        longest = 2.0**0.5 if family is OneLipschitz else 1.0
        for matrix in matrices:
            assert float(torch.linalg.matrix_norm(matrix.double(), ord=2)) <= longest
        assert float(head.double().norm()) <= 1.0
        torch.testing.assert_close(resting(torch.ones(4, 3)), before, rtol=1e-4, atol=1e-5)
        assert resting.double()(torch.ones(4, 3).double()).dtype == torch.float64


@pytest.mark.parametrize("group", [2, 0])
def test_orthogonal_layers_keep_the_length_of_every_gradient(group):
    network = Orthogonal(3, 16, 4, group=group).double()
    x = torch.randn(50, 3, dtype=torch.float64)
    head = network.last.detach() / network.last.detach().norm()
    x.requires_grad_()
    y = x
    maps, _ = network._layers()
    for matrix, bias in zip(maps, network.bias, strict=True):
        torch.testing.assert_close(matrix.T @ matrix, torch.eye(matrix.shape[1], dtype=torch.float64))
        y = network._sorted(y @ matrix.T + bias)
    torch.testing.assert_close(y @ head + network.offset, network(x))
    jacobian = torch.stack([torch.autograd.grad(y[:, k].sum(), x, retain_graph=True)[0] for k in range(16)], dim=1)
    torch.testing.assert_close(jacobian.mT @ jacobian, torch.eye(3, dtype=torch.float64).expand(50, 3, 3))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), rank=st.integers(1, 12), size=st.sampled_from([1e-6, 1.0, 1e6]))
def test_no_step_of_bjorck_leaves_a_norm_above_one(seed, rank, size):
    generator = torch.Generator().manual_seed(seed)
    left, right = torch.randn(12, rank, generator=generator), torch.randn(rank, 7, generator=generator)
    for iterations in (1, 3, 15):
        made = orthogonalised(size * (left @ right).double(), iterations)
        assert float(torch.linalg.matrix_norm(made, ord=2)) <= 1.0 + 1e-12

"""Muon: what it makes of a gradient, where it ends, and going on from a state."""

from __future__ import annotations

import torch
from torch import nn

from backend.fields.mlp import Mlp, MlpShape
from backend.training.adam import Adam
from backend.training.muon import Muon, orthogonalised


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_an_update_moves_every_direction_of_the_gradient_alike() -> None:
    left, stretch, right = torch.linalg.svd(random(40, 24), full_matrices=False)
    uneven = left @ torch.diag(torch.logspace(0, -2, len(stretch))) @ right
    inside = left.T @ orthogonalised(uneven) @ right.T
    values = inside.diagonal()
    assert values.min() > 0.65
    assert values.max() < 1.25
    torch.testing.assert_close(inside, torch.diag(values), atol=1e-4, rtol=0.0)


def test_it_is_as_long_as_adams() -> None:
    gradients = [random(64, 64), random(64, seed=1)]
    moved = []
    for optimiser in (Muon, Adam):
        parameters = [nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
        optimiser(parameters).step(gradients, 0.01)
        moved.append([p.detach() for p in parameters])
    (matrix, bias), (by_adam, its_bias) = moved
    assert 0.15 < matrix.square().mean().sqrt() / 0.01 < 0.25
    assert (matrix * by_adam).sum() > 0.0
    assert torch.equal(bias, its_bias)


def test_only_hidden_layers_are_its_own_and_a_state_goes_on_the_same() -> None:
    network, other = (Mlp(MlpShape(3, 1, 16, 3, "softplus", None)) for _ in range(2))
    whole, begun = Muon(list(network.parameters())), Muon(list(other.parameters()))
    other.load_state_dict(network.state_dict())
    assert sum(name.startswith("momentum") for name in whole.state()) == 2
    gradients = [[random(*p.shape, seed=step) for p in network.parameters()] for step in range(4)]
    for step in range(2):
        whole.step(gradients[step], 0.01)
        begun.step(gradients[step], 0.01)
    gone_on = Muon(list(other.parameters()))
    gone_on.restore({name: value.clone() for name, value in begun.state().items()})
    for step in range(2, 4):
        whole.step(gradients[step], 0.01)
        gone_on.step(gradients[step], 0.01)
    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    assert gone_on.updates == 4

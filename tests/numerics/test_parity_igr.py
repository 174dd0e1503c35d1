"""The network and the losses of ``igr`` against the outputs of the authors' code (float64)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from backend.fields.distance_mlp import DistanceMlp
from backend.losses.eikonal import eikonal
from backend.losses.normals import normal_distance
from backend.losses.on_surface import on_surface
from tests.numerics.parity import described_in, fill, outputs_of


@pytest.fixture(scope="module")
def truth() -> dict[str, Tensor]:
    return outputs_of("igr")


@pytest.fixture(scope="module")
def network() -> DistanceMlp:
    """IGR's with the weights that the formula beside the arrays fills in."""
    described = described_in("igr")
    network = DistanceMlp(3, 64, 8, "softplus", 4).double()
    fill(network, described["params"], described["gain"])
    return network


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_value_and_gradient(network: DistanceMlp, truth: dict[str, Tensor]) -> None:
    value, gradient = network.value_and_gradient(truth["x"])
    close(value, truth["f"][:, 0])
    close(network(truth["x"]), truth["f"][:, 0])
    close(gradient, truth["grad"])
    close(network.value_and_gradient(truth["x_off"])[1], truth["grad_off"])


def test_losses_and_their_gradients(network: DistanceMlp, truth: dict[str, Tensor]) -> None:
    value, gradient = network.value_and_gradient(truth["x"])
    _, off = network.value_and_gradient(truth["x_off"])
    terms = on_surface(value), eikonal(off), normal_distance(gradient, truth["normals"])
    for ours, name in zip(terms, ("loss_surface", "loss_eikonal", "loss_normal"), strict=True):
        close(ours, truth[name])
    total = terms[0] + 0.1 * terms[1] + 1.0 * terms[2]
    close(total, truth["loss_total"])
    first, last = torch.autograd.grad(total, [network.mlp.layer(0).weight, network.mlp.layer(-1).weight])
    close(first, truth["grad_first_weight"])
    close(last, truth["grad_last_weight"])

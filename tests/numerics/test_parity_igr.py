"""The network and the losses of ``igr`` against the outputs of the authors' code (float64)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.fields.distance_mlp import DistanceMlp
from backend.losses.eikonal import eikonal
from backend.losses.normals import normal_distance
from backend.losses.on_surface import on_surface

ARRAYS = Path(__file__).parents[1] / "data" / "igr.npz"


@pytest.fixture(scope="module")
def truth() -> dict[str, Tensor]:
    with np.load(ARRAYS) as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored if name != "params"}


@pytest.fixture(scope="module")
def network() -> DistanceMlp:
    """IGR's with the weights that the formula beside the arrays fills in."""
    with np.load(ARRAYS) as stored:
        described = json.loads(str(stored["params"]))
    network = DistanceMlp(3, 64, 8, "softplus", 4).double()
    with torch.no_grad():
        for number, (ours, (_, shape)) in enumerate(zip(network.parameters(), described["params"], strict=True)):
            index = np.arange(np.prod(shape), dtype=np.float64)
            z = np.sin(12.9898 * (index + 1) + 78.233 * (number + 1)) * 43758.5453
            scale = described["gain"] * np.sqrt(6.0 / shape[1]) if len(shape) == 2 else 0.1
            ours.copy_(torch.from_numpy((scale * (2.0 * (z - np.floor(z)) - 1.0)).reshape(shape)))
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

"""Our decoder against the outputs of the authors' (float64), and its own two ways to a gradient."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.fields.deep_sdf import PAIR, SINGLE_VIEW, DeepSdf, DeepSdfShape

ARRAYS = Path(__file__).parents[1] / "data" / "deep_sdf.npz"


@pytest.fixture(scope="module")
def truth() -> dict[str, Tensor]:
    with np.load(ARRAYS) as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored if name != "params"}


@pytest.fixture(scope="module")
def decoder() -> DeepSdf:
    """That of the pair, narrower, with the weights that the formula beside the arrays fills in; in their order."""
    with np.load(ARRAYS) as stored:
        described = json.loads(str(stored["params"]))
    decoder = DeepSdf(replace(PAIR, width=64)).double().eval()
    with torch.no_grad():
        for number, (ours, (_, shape)) in enumerate(zip(decoder.parameters(), described["params"], strict=True)):
            index = np.arange(np.prod(shape), dtype=np.float64)
            z = np.sin(12.9898 * (index + 1) + 78.233 * (number + 1)) * 43758.5453
            scale = described["gain"] * np.sqrt(6.0 / shape[1]) if len(shape) == 2 else 0.1
            ours.copy_(torch.from_numpy((scale * (2.0 * (z - np.floor(z)) - 1.0)).reshape(shape)))
    return decoder


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)


def test_value_and_gradients(decoder: DeepSdf, truth: dict[str, Tensor]) -> None:
    close(decoder.encoded(truth["x"]), truth["encoding"])
    value, gradient = decoder.value_and_gradient(truth["x"], truth["latent"][0])
    close(value, truth["s"][:, 0])
    close(gradient, truth["grad_x"])
    codes = truth["latent"].repeat(len(truth["x"]), 1).requires_grad_()
    value = decoder(truth["x"], codes)
    close(value, truth["s"][:, 0])
    close(torch.autograd.grad(value.sum(), codes)[0], truth["grad_latent_per_point"])


@pytest.mark.parametrize("shape", [PAIR, SINGLE_VIEW])
def test_the_published_forms(shape: DeepSdfShape) -> None:
    """Sizes as published; the gradient of the sweep is that of autograd, and dropout is in training alone."""
    torch.manual_seed(3)
    decoder = DeepSdf(shape).double()
    sizes = [tuple(layer.weight.shape) for layer in decoder.layers]
    if shape is PAIR:
        assert sizes == [(128, 32), *[(128, 128)] * 2, (96, 128), *[(128, 128)] * 4, (1, 128)]
        assert sum(p.numel() for p in decoder.parameters()) == 116_801
    else:
        assert sizes == [(512, 259), *[(512, 512)] * 4, (1, 512)]
    points, code = torch.rand(40, 3).double() * 2 - 1, torch.randn(shape.latent).double()
    points.requires_grad_()
    decoder.eval()
    value = decoder(points, code)
    (by_autograd,) = torch.autograd.grad(value.sum(), points)
    swept, gradient = decoder.value_and_gradient(points, code)
    close(swept, value)
    close(gradient, by_autograd)
    decoder.train()
    assert torch.equal(decoder(points, code), value) == (shape.dropout == 0.0)

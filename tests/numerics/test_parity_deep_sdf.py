"""Our decoder against the outputs of the authors' (float64), and its own two ways to a gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backend.fields.deep_sdf import PAIR, SINGLE_VIEW, DeepSdf, DeepSdfShape
from tests.numerics.parity import described_in, fill, outputs_of


@pytest.fixture(scope="module")
def truth() -> dict[str, Tensor]:
    return outputs_of("deep_sdf")


@pytest.fixture(scope="module")
def decoder() -> DeepSdf:
    """That of the pair, narrower, with the weights that the formula beside the arrays fills in; in their order."""
    described = described_in("deep_sdf")
    decoder = DeepSdf(replace(PAIR, width=64)).double().eval()
    fill(decoder, described["params"], described["gain"])
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

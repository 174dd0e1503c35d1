"""Our encoder, implicit function and inverse function against the outputs of the authors' networks (float64)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from backend.correspondence.implicit_dense.networks import DenseNetworks, Widths, occupancy
from tests.numerics.parity import described_in, fill, outputs_of

ARRAYS = "implicit_dense_correspondence"


@pytest.fixture(scope="module")
def truth() -> dict[str, Tensor]:
    return outputs_of(ARRAYS)


@pytest.fixture(scope="module")
def networks() -> DenseNetworks:
    """Ours, with the authors' weights."""
    described = described_in(ARRAYS)
    ours = DenseNetworks(Widths()).double()
    for name, module in (("encoder", ours.encoder), ("implicit", ours.implicit), ("inverse", ours.inverse)):
        fill(module, described["params"][name], described["gain"])
    return ours.requires_grad_(False)


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)


def test_as_many_parameters_as_published(networks: DenseNetworks) -> None:
    parts = (networks.encoder, networks.implicit, networks.inverse)
    assert [sum(p.numel() for p in part.parameters()) for part in parts] == [805_120, 1_983_372, 1_852_419]


def test_codes(networks: DenseNetworks, truth: dict[str, Tensor]) -> None:
    close(networks.encoder(truth["points"]), truth["z"])


def test_embeddings_and_occupancy(networks: DenseNetworks, truth: dict[str, Tensor]) -> None:
    embeddings = networks.implicit(truth["z"], truth["points"])
    close(embeddings, truth["embedding"])
    close(occupancy(embeddings), truth["occupancy"][..., 0])


def test_reconstruction_of_the_shape_itself(networks: DenseNetworks, truth: dict[str, Tensor]) -> None:
    close(networks.inverse(truth["z"], truth["embedding"]), truth["reconstruction"])


def test_reconstruction_with_the_other_shapes_embeddings(networks: DenseNetworks, truth: dict[str, Tensor]) -> None:
    close(networks.inverse(truth["z"], truth["embedding"].flip(0)), truth["cross_reconstruction"])


def test_the_order_of_the_points_does_not_matter(networks: DenseNetworks, truth: dict[str, Tensor]) -> None:
    close(networks.encoder(truth["points"].flip(1)), truth["z"])


def test_a_code_for_every_point_gives_what_one_for_all_gives(networks: DenseNetworks, truth: dict[str, Tensor]) -> None:
    """The shared part of the first layers is computed once; the plain form is its twin."""
    codes, points = truth["z"], truth["points"]
    each = codes[:, None].expand(-1, points.shape[1], -1)
    layers = networks.implicit.layers
    hidden = torch.cat([points, each], dim=-1)
    for layer in layers[:-1]:
        hidden = nn.functional.leaky_relu(layer(hidden), 0.02)
    close(torch.sigmoid(layers[-1](hidden)), networks.implicit(codes, points))

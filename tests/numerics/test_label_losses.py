"""Losses on known distances, with a sign and without, against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from backend.losses.full_information import squared_error
from backend.losses.sald import attachment, either_side, unsigned_error

VALUES = torch.tensor([0.5, -0.25, 0.0, -1.0])
DISTANCES = torch.tensor([0.25, 0.25, 0.5, 0.0])


def test_squared_error() -> None:
    signed = torch.tensor([0.25, -0.25, 1.0, -1.5])
    assert squared_error(VALUES, signed).item() == pytest.approx((0.0625 + 0.0 + 1.0 + 0.25) / 4)


def test_distances_without_a_sign() -> None:
    assert unsigned_error(VALUES, DISTANCES).item() == pytest.approx((0.25 + 0.0 + 0.5 + 1.0) / 4)
    assert unsigned_error(-VALUES, DISTANCES).item() == unsigned_error(VALUES, DISTANCES).item()
    assert unsigned_error(VALUES, DISTANCES, "l0").item() == pytest.approx((0.5 + 0.75 + 1.0 + 1.0) / 4)


def test_labels_in_a_column_are_not_spread_over_the_batch() -> None:
    """Values [B] against labels [B, 1] would be a table of B x B differences."""
    column = DISTANCES[:, None]
    table = ((VALUES.abs() - column).abs().mean(), (VALUES - column).square().mean())
    for found, wrong in zip((unsigned_error(VALUES, column), squared_error(VALUES, column)), table, strict=True):
        assert found.shape == ()
        assert found.item() != pytest.approx(wrong.item(), rel=0.1)
    assert unsigned_error(VALUES, column).item() == unsigned_error(VALUES, DISTANCES).item()
    assert squared_error(VALUES, column).item() == squared_error(VALUES, DISTANCES).item()
    with pytest.raises(RuntimeError):
        unsigned_error(VALUES, DISTANCES[:3])


def test_attachment() -> None:
    assert attachment(VALUES).item() == pytest.approx((0.25 + 0.0625 + 1.0) / 4)


def test_the_side_is_chosen_at_every_point() -> None:
    """One normal points inwards and one outwards: each point takes its own side, where a batch cannot."""
    normals = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    gradients = torch.tensor([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 3.0, 2.0]])
    assert either_side(gradients, normals).item() == pytest.approx(math.sqrt(10) / 3, abs=1e-5)
    of_batch = min((gradients - normals).norm(), (gradients + normals).norm())
    assert of_batch > math.sqrt(10) + 0.5
    assert either_side(-gradients, normals).item() == pytest.approx(either_side(gradients, normals).item())


def test_the_side_of_a_gradient_that_fits_has_a_slope() -> None:
    normals = torch.tensor([[0.0, 1.0]])
    gradients = normals.clone().requires_grad_()
    either_side(gradients, normals).backward()
    assert gradients.grad is not None
    assert gradients.grad.isfinite().all()

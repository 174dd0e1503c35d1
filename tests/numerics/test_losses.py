"""Each loss against a field or a motion for which its value is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from backend.losses.distortion import distortion
from backend.losses.divergence import divergence
from backend.losses.matching import matching
from backend.losses.smoothness import smoothness
from backend.losses.stretching import stretching

SPIN = torch.tensor([[0.0, -1.0, 0.5], [1.0, 0.0, -0.3], [-0.5, 0.3, 0.0]], dtype=torch.float64)
SHEAR = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
GROWTH = torch.eye(3, dtype=torch.float64)


def many(matrix: Tensor) -> Tensor:
    return matrix.expand(5, 3, 3)


def unit_normals() -> Tensor:
    normals = torch.randn((5, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return normals / normals.norm(dim=1, keepdim=True)


def test_matching() -> None:
    arrived = torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    target = torch.tensor([[0.0, 3.0, 4.0], [1.0, 1.0, 2.0]])
    assert matching(arrived, target).item() == pytest.approx((25 + 1) / 2)
    assert matching(arrived, target, torch.tensor([1.0, 3.0])).item() == pytest.approx((25 + 3) / 4)
    assert matching(arrived, target, torch.tensor([0.0, 2.0])).item() == pytest.approx(1.0)


def test_smoothness() -> None:
    velocity = torch.tensor([[1.0, 2.0, 2.0], [0.0, 0.0, 0.0]])
    assert smoothness(velocity, None).item() == pytest.approx(9 / 2)
    assert smoothness(velocity, torch.zeros_like(velocity)).item() == pytest.approx(9 / 2)
    assert smoothness(velocity, 100 * velocity, alpha=0.01).item() == pytest.approx(0.0, abs=1e-10)


def test_smoothness_of_a_wave() -> None:
    """V = sin(k x): Lap V = -k^2 V, so the loss is (1 + alpha k^2)^2 times the energy: fast waves cost more."""
    x = torch.linspace(0, 2 * math.pi, 1000, dtype=torch.float64)
    for k in (1.0, 5.0):
        wave = torch.stack([torch.sin(k * x)] * 3, dim=1)
        ratio = smoothness(wave, -k * k * wave, alpha=0.1) / smoothness(wave, None)
        assert ratio.item() == pytest.approx((1 + 0.1 * k * k) ** 2)


def test_divergence() -> None:
    assert divergence(many(SPIN)).item() == 0.0
    assert divergence(many(SHEAR)).item() == 0.0
    assert divergence(many(2 * GROWTH)).item() == pytest.approx(36.0)


def test_distortion() -> None:
    """Nothing for a rotation or for growth alike in all directions; for a shear s, D has two entries s/2."""
    assert distortion(many(SPIN)).item() == 0.0
    assert distortion(many(GROWTH)).item() == pytest.approx(0.0, abs=1e-30)
    assert distortion(many(2 * SHEAR)).item() == pytest.approx(1.0)
    mixed = many(2 * SHEAR + 0.7 * GROWTH + SPIN - SPIN)
    assert distortion(mixed).item() == pytest.approx(1.0)


def test_stretching_of_rigid_steps_is_second_order() -> None:
    """F = I + dt W of a rotation is off by dt^2: halving the step quarters the loss."""
    coarse, fine = (stretching(many(SPIN), unit_normals(), dt).item() for dt in (0.02, 0.01))
    assert coarse / fine == pytest.approx(4.0, rel=1e-6)


def test_stretching_sees_the_tangent_plane_only() -> None:
    up = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64).expand(5, 3)
    along_normal = torch.diag(torch.tensor([0.0, 0.0, 3.0], dtype=torch.float64))
    assert stretching(many(along_normal), up, 1.0).item() == 0.0
    along_surface = torch.diag(torch.tensor([0.5, 0.0, 0.0], dtype=torch.float64))
    assert stretching(many(along_surface), up, 1.0).item() == pytest.approx(1.5**2 - 1)


def test_stretching_at_rest_has_a_gradient() -> None:
    jacobian = torch.zeros((5, 3, 3), dtype=torch.float64, requires_grad=True)
    stretching(jacobian, unit_normals(), 0.1).backward()
    assert jacobian.grad is not None
    assert not jacobian.grad.any()

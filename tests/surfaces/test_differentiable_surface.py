"""Derivatives of surfaces by what their fields depend on, against those known in closed form and by differences."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.commands.bench.adjoint import Field, marched, measure_adjoint, sphere, steep, torus, volume
from backend.fields.deep_sdf import DeepSdf, DeepSdfShape
from backend.fields.distance_mlp import DistanceMlp, geometric_
from backend.geometry.isosurface import grid_over
from backend.geometry.tracked_surface import TrackedSurface
from backend.surfaces.mesh_sdf.differentiable_surface import differentiable_surface

BOX = np.full(3, -1.0), np.full(3, 1.0)
CLOSE = 0.02


@pytest.mark.parametrize("change", [lambda field: field, steep])
def test_the_radius_of_a_sphere(change: Callable[[Field], Field]) -> None:
    """By its radius r the distance of the vertices grows by 1, the volume by 4 pi r^2."""
    field = change(sphere)
    radius = torch.tensor([0.6], dtype=torch.float64, requires_grad=True)
    vertices, triangles = marched(lambda p: field(p, radius))
    surface = differentiable_surface(lambda p: field(p, radius), vertices, [radius])
    assert torch.equal(surface, vertices)
    (mean,) = torch.autograd.grad(surface.norm(dim=1).mean(), radius, retain_graph=True)
    assert mean.item() == pytest.approx(1.0, rel=CLOSE)
    (grown,) = torch.autograd.grad(volume(surface, triangles), radius)
    assert grown.item() == pytest.approx(4 * np.pi * 0.6**2, rel=CLOSE)


@pytest.mark.parametrize("change", [lambda field: field, steep])
def test_the_radii_of_a_torus_through_a_code(change: Callable[[Field], Field]) -> None:
    """Volume 2 pi^2 R r^2; R and r are made from what is differentiated by, so the chain goes on behind the surface."""
    field = change(torus)
    code = torch.tensor([0.25, 0.1], dtype=torch.float64, requires_grad=True)
    radii = torch.tensor([[2.0, 0.0], [0.0, 2.0]], dtype=torch.float64) @ code
    vertices, triangles = marched(lambda p: field(p, radii))
    surface = differentiable_surface(lambda p: field(p, radii), vertices, [radii])
    (found,) = torch.autograd.grad(volume(surface, triangles), code)
    known = [2 * 2 * np.pi**2 * 0.2**2, 2 * 4 * np.pi**2 * 0.5 * 0.2]
    np.testing.assert_allclose(found.numpy(), known, rtol=CLOSE)


def test_weights_of_a_network_against_differences() -> None:
    """All of them at once: along its own gradient the volume changes as fast as the gradient is long."""
    network = DistanceMlp(3, 64, 3, "softplus", None).double()
    geometric_(network.mlp, 0.6, torch.Generator().manual_seed(4))
    weights = list(network.parameters())
    vertices, triangles = marched(network, 3.0)
    assert vertices.abs().max() < 0.9  # nothing is cut by the box
    surface = differentiable_surface(network, vertices, weights)
    gradients = torch.autograd.grad(volume(surface, triangles), weights)
    length = sum(g.square().sum() for g in gradients).sqrt()
    found, step = [], 0.01
    for way in (step, -2.0 * step):
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight += way * gradient / length
        found.append(volume(*marched(network, 3.0)).item())
    assert (found[0] - found[1]) / (2.0 * step) == pytest.approx(length.item(), rel=CLOSE)


def test_flat_places_stay_finite_and_only_what_is_asked_for_gets_a_gradient() -> None:
    radius, other = (torch.tensor([x], requires_grad=True) for x in (0.5, 1.0))
    vertices = 0.5 * torch.nn.functional.normalize(
        torch.randn(50, 3, generator=torch.Generator().manual_seed(1)), dim=1
    )
    vertices[0] = 0.0  # where the distance to the middle has no gradient

    def values(points: Tensor) -> Tensor:
        return other * (points.square().sum(1) - radius.square())

    surface = differentiable_surface(values, vertices, [radius, torch.tensor([1.0])])
    surface.norm(dim=1)[1:].sum().backward()
    assert radius.grad is not None
    assert radius.grad.item() == pytest.approx(49.0, rel=1e-4)
    assert other.grad is None
    surface = differentiable_surface(values, vertices, [radius])
    (found,) = torch.autograd.grad(surface, radius, torch.ones_like(surface))
    assert torch.isfinite(found).all()
    none = differentiable_surface(values, vertices[:0], [radius])
    assert torch.autograd.grad(none.sum(), radius)[0].item() == 0.0


def test_the_fast_mode_of_a_decoder_gives_the_surface_of_the_full_grid() -> None:
    """A ball with bumps that move with the code: as many vertices, each at the same place but for rounding."""
    torch.manual_seed(2)
    decoder = DeepSdf(DeepSdfShape(latent=2, width=32, depth=3, skip=1, degree=2, dropout=0.2)).eval()
    grid = grid_over(*BOX, 24)
    fast, slow = TrackedSurface(grid, refresh=9), TrackedSurface(grid, refresh=1)
    for t in np.linspace(0.0, 2.0, 9):
        code = torch.tensor([t, 1.0 - t], dtype=torch.float32)

        @torch.no_grad()
        def values(points: np.ndarray, code: Tensor = code) -> np.ndarray:
            p = torch.from_numpy(points).float()
            return (p.norm(dim=1) - 0.6 + 2.0 * decoder(p, code)).numpy()

        found, truth = fast.extract(values), slow.extract(values)
        np.testing.assert_array_equal(found[1], truth[1])
        np.testing.assert_allclose(found[0], truth[0], atol=1e-4)
        assert len(truth[1]) > 2000
    assert fast.evaluations < 3 * 25**3 < slow.evaluations / 2


def test_the_benchmark_of_the_adjoint_finds_it_close() -> None:
    for figure in measure_adjoint():
        assert all(float(word) < 100 * CLOSE for word in re.findall(r"([\d.e-]+) %", figure.value))
        assert figure.reach == "2 %"

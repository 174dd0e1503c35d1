"""The losses of implicit dense correspondence against slow, plain forms and against what they should mean."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

from backend.losses.carried_normals import carried_normals
from backend.losses.chamfer import chamfer
from backend.losses.known_pairs import known_pairs
from backend.losses.occupancy import occupancy_error
from backend.losses.patches import patch_members, patch_smoothness
from backend.losses.reconstruction import self_reconstruction
from backend.losses.transport import plan, transport


def clouds(seed: int, count: int = 60) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.rand((2, 2, count, 3), generator=generator, dtype=torch.float64)
    return a, b


def test_chamfer_is_the_plain_sum_and_its_gradient_is_autograds() -> None:
    a, b = clouds(0)
    a.requires_grad_()
    plain = torch.cdist(a, b)
    wanted = plain.amin(dim=2).mean() + plain.amin(dim=1).mean()
    ours = chamfer(a, b)
    torch.testing.assert_close(ours, wanted, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(torch.autograd.grad(ours, a), torch.autograd.grad(wanted, a), rtol=1e-5, atol=1e-7)


def test_a_part_that_the_other_cloud_lacks_pulls_less_with_a_reach() -> None:
    """A bar, and the same bar with a second one far from it: how hard the first is pulled over to the second."""
    bar = torch.stack([torch.linspace(0, 1, 50), torch.zeros(50), torch.zeros(50)], dim=1)[None].double()
    both = torch.cat([bar, bar + torch.tensor([0.0, 1.0, 0.0])], dim=1)
    bar.requires_grad_()
    pulls = [
        torch.autograd.grad(loss, bar)[0][..., 1].sum().abs()
        for loss in (chamfer(bar, both), chamfer(bar, both, 0.1), transport(bar, both), transport(bar, both, reach=0.1))
    ]
    assert pulls[1] < 1e-3 * pulls[0]
    assert pulls[3] < 1e-3 * pulls[2]


def test_transport_is_the_cheapest_matching() -> None:
    a, b = clouds(1)
    cost = torch.cdist(a, b)
    exact = []
    for c in cost:
        rows, columns = linear_sum_assignment(c.numpy())
        exact.append(c[rows, columns].mean())
    found = transport(a, b, blur=0.002, last_rounds=300)
    torch.testing.assert_close(found, torch.stack(exact).mean(), rtol=0.01, atol=0.0)
    shares = plan(cost, blur=0.01, last_rounds=200)
    torch.testing.assert_close(shares.sum(2), torch.full((2, 60), 1 / 60, dtype=a.dtype), rtol=0.02, atol=0.0)
    torch.testing.assert_close(shares.sum(1), torch.full((2, 60), 1 / 60, dtype=a.dtype), rtol=0.02, atol=0.0)


def test_transport_moves_a_cloud_all_the_way_where_chamfer_stops() -> None:
    """Points heaped in one place cover nothing: only the matching spreads them evenly."""
    target = torch.rand((1, 80, 3), generator=torch.Generator().manual_seed(0))
    start = 0.05 * target + 0.5

    def spread(loss: str) -> float:
        points = start.clone().requires_grad_()
        for _ in range(150):
            value = transport(points, target, 0.02) if loss == "transport" else chamfer(points, target)
            (gradient,) = torch.autograd.grad(value, points)
            with torch.no_grad():
                points -= 0.5 * gradient
        return transport(points.detach(), target, 0.005).item()

    assert spread("transport") < 0.02
    assert spread("chamfer") > 3 * spread("transport")


def sphere(turn: float) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
    """Points of a sphere, points a small way along two tangents, all turned by ``turn`` in their planes; normals."""
    normals = functional.normalize(torch.randn((1, 200, 3), generator=torch.Generator().manual_seed(0)).double(), dim=2)
    first = functional.normalize(torch.cross(normals, torch.tensor([[[0.3, 0.5, 0.8]]]).double(), dim=2), dim=2)
    second = torch.cross(normals, first, dim=2)
    # Turned around the first tangent: the surface that they span leans by that angle.
    leaning = math.cos(turn) * second + math.sin(turn) * normals
    return normals, (normals + 1e-3 * first, normals + 1e-3 * leaning), normals


@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0, 180.0])
def test_normals_of_a_carried_surface(degrees: float) -> None:
    places, along, normals = sphere(math.radians(degrees))
    assert carried_normals(places, along, places, normals).item() == pytest.approx(1 - math.cos(math.radians(degrees)))


def test_the_normal_term_really_has_a_gradient() -> None:
    """It turns a leaning surface upright; the published term has gradient 0 everywhere."""
    places, along, normals = sphere(math.radians(40.0))
    second = along[1].clone().requires_grad_()
    loss = carried_normals(places, (along[0], second), places, normals)
    (gradient,) = torch.autograd.grad(loss, second)
    assert gradient.norm() > 0.0
    moved = second.detach() - 1e-6 * gradient / gradient.abs().max()
    assert carried_normals(places, (along[0], moved), places, normals) < loss


def test_transports_gradient_is_that_of_the_exact_matching() -> None:
    """Every point is pulled towards its partner of the cheapest matching, by one over the number of points."""
    a, b = clouds(2, 40)
    a.requires_grad_()
    (gradient,) = torch.autograd.grad(transport(a, b, blur=0.001, last_rounds=400), a)
    for points, others, found in zip(a.detach(), b, gradient, strict=True):
        _, partner = linear_sum_assignment(torch.cdist(points, others).numpy())
        wanted = functional.normalize(points - others[partner], dim=1) / (2 * len(points))
        assert (found - wanted).norm() < 0.3 * wanted.norm()  # the plan keeps some width


def test_gradients_are_those_of_finite_differences() -> None:
    a, b = (cloud.requires_grad_() for cloud in clouds(3, 12))
    generator = torch.Generator().manual_seed(0)
    first, second, normals = (torch.randn((2, 12, 3), generator=generator).double() for _ in range(3))
    first, second = (a.detach() + 0.01 * along for along in (first, second))
    normals = functional.normalize(normals, dim=2)
    members = torch.randint(12, (2, 5, 4), generator=generator)
    check = torch.autograd.gradcheck
    assert check(lambda x, y: chamfer(x, y, 0.1), (a, b))
    assert check(
        lambda x, y, z: carried_normals(x, (y, z), b.detach(), normals),
        (a, first.requires_grad_(), second.requires_grad_()),
    )
    assert check(lambda x: patch_smoothness(x, members, 0.05), (a,))
    assert check(known_pairs, (a, b))
    assert check(self_reconstruction, (a, b))
    assert check(lambda x: occupancy_error(x, b.detach().round()), (a,))


def test_patches_are_balls() -> None:
    points = torch.rand((2, 400, 3), generator=torch.Generator().manual_seed(0))
    members = patch_members(points, 30, 8, 0.2, torch.Generator().manual_seed(1))
    assert members.shape == (2, 30, 8)
    at = points.gather(1, members.reshape(2, -1, 1).expand(-1, -1, 3)).reshape(2, 30, 8, 3)
    assert (at[:, :, :, None] - at[:, :, None]).norm(dim=-1).max() < 0.4
    assert members[:, :, 0].ne(members[:, :, 1]).any()


def test_smoothness_is_the_published_cosine_for_offsets_of_one_length() -> None:
    generator = torch.Generator().manual_seed(0)
    offsets = functional.normalize(torch.randn((2, 50, 3), generator=generator), dim=2)
    members = torch.randint(50, (2, 10, 6), generator=generator)
    chosen = torch.stack([cloud[index] for cloud, index in zip(offsets, members, strict=True)])
    cosine = functional.cosine_similarity(chosen[:, :, :-1], chosen[:, :, 1:], dim=-1)
    torch.testing.assert_close(patch_smoothness(offsets, members, 1e-4), (1 - cosine).mean())
    assert patch_smoothness(1e-6 * offsets, members, 0.05) < 1e-6  # what does not move is no roughness


def test_occupancy_and_reconstruction_are_means_of_squares() -> None:
    assert occupancy_error(torch.tensor([0.5, 1.0]), torch.tensor([1.0, 1.0])).item() == pytest.approx(0.125)
    zero = torch.zeros((1, 2, 3))
    assert known_pairs(zero, zero + torch.tensor([3.0, 0.0, 4.0])).item() == pytest.approx(5.0)
    assert self_reconstruction(zero, zero + torch.tensor([3.0, 0.0, 0.0])).item() == pytest.approx(3.0)

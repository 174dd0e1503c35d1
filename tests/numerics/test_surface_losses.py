"""The losses of the implicit surface: against truth, against the authors' numbers, and where the two differ."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.fields.implicit import ImplicitField
from backend.fields.velocity import VelocityField, paper_shape
from backend.losses.eikonal import eikonal
from backend.losses.level_set import level_set, normal_stretch, residual
from backend.losses.normals import normals
from backend.losses.on_surface import manifold, on_surface
from backend.losses.surface_area import surface_area
from tests.numerics import published

STEPS = 5
DRIFT = torch.tensor([0.6, -0.2, 0.3], dtype=torch.float64)
SPIN = torch.tensor([[0.0, -1.0, 0.5], [1.0, 0.0, -0.3], [-0.5, 0.3, 0.0]], dtype=torch.float64)
GROWTH = 0.7


@pytest.fixture(scope="module")
def truth() -> dict[str, Tensor]:
    return {
        name: torch.from_numpy(np.asarray(values)) for name, values in published.arrays().items() if name != "params"
    }


@pytest.fixture(scope="module")
def twin(truth: dict[str, Tensor]) -> dict[str, Tensor]:
    return published.implicit_losses(truth, STEPS)


@pytest.fixture(scope="module")
def implicit() -> ImplicitField:
    implicit = ImplicitField()
    published.load(implicit, "implicit")
    return implicit.requires_grad_(False)


def directions(count: int = 4000) -> Tensor:
    points = torch.randn((count, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return points / points.norm(dim=1, keepdim=True)


def moving_sphere(points: Tensor, t: float) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """f = |x - c| - r of a sphere that moves, turns and grows, and the V that moves it: f, grad f, f_t, V, grad V."""
    radius = 0.5 * np.exp(GROWTH * t)
    arm = points - DRIFT * t
    length = arm.norm(dim=1)
    gradient = arm / length[:, None]
    rate = -gradient @ DRIFT - GROWTH * radius
    jacobian = SPIN + GROWTH * torch.eye(3, dtype=torch.float64)
    return length - radius, gradient, rate, DRIFT + arm @ jacobian.T, jacobian.expand(len(points), 3, 3)


@pytest.mark.parametrize("t", [0.0, 0.4, 1.0])
def test_a_sphere_that_moves_turns_and_grows_solves_the_equation_everywhere(t: float) -> None:
    points = 2.0 * torch.rand((500, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 1.0
    value, gradient, rate, velocity, jacobian = moving_sphere(points, t)
    assert residual(value, gradient, rate, velocity, jacobian).abs().max() < 1e-12
    assert level_set(value, gradient, rate, velocity, jacobian).item() < 1e-24
    # Without the term of the normal, or with its sign turned, only the surface itself solves it.
    without = residual(value, gradient, rate, velocity, None)
    torch.testing.assert_close(without, GROWTH * value)
    torch.testing.assert_close(residual(value, gradient, rate, velocity, jacobian, -1.0), 2 * GROWTH * value)
    assert level_set(value, gradient, rate, velocity, jacobian, 0.1).item() > 1e-3


def test_half_the_velocity_leaves_half_the_normal_motion() -> None:
    """Mean of (v . n)^2 over a sphere is |v|^2 / 3."""
    normal = directions()
    still = torch.zeros((len(normal), 3, 3), dtype=torch.float64)
    velocity = DRIFT.expand(len(normal), 3)
    rate, zero = -normal @ DRIFT, torch.zeros(len(normal), dtype=torch.float64)
    assert level_set(zero, normal, rate, velocity, still).item() == pytest.approx(0.0, abs=1e-30)
    halved = level_set(zero, normal, rate, velocity / 2, still).item()
    assert halved == pytest.approx(DRIFT.square().sum().item() / 12, rel=0.05)
    sliding = torch.linalg.cross(normal, velocity)  # motion within the surface is free
    assert level_set(zero, normal, rate, velocity + sliding, still).item() == pytest.approx(0.0, abs=1e-30)


def test_the_stretch_along_the_normal_does_not_see_how_f_is_scaled() -> None:
    normal = directions(50)
    jacobian = (SPIN + torch.diag(torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64))).expand(50, 3, 3)
    expected = normal.square() @ torch.tensor([1.0, 2.0, -3.0], dtype=torch.float64)
    torch.testing.assert_close(normal_stretch(normal, jacobian), expected)
    torch.testing.assert_close(normal_stretch(7.0 * normal, jacobian), expected)


def test_the_length_of_the_gradient_is_kept_by_the_full_term_only() -> None:
    """On the surface f_t = -<V, grad f> + lambda f R; the gradient of that is how grad f changes in time."""
    normal = directions(20)
    points = (0.5 * normal).requires_grad_()
    jacobian = torch.diag(torch.tensor([0.4, -0.2, 0.9], dtype=torch.float64))
    for share, kept in ((1.0, True), (0.1, False), (-0.1, False)):
        length = points.norm(dim=1)
        n = points / length[:, None]
        stretch = torch.einsum("ni,ij,nj->n", n, jacobian, n)
        rate = -(n * (points @ jacobian.T)).sum(1) + share * (length - 0.5) * stretch
        change = torch.autograd.grad(rate.sum(), points)[0]  # of grad f at a fixed place
        curl = torch.autograd.functional.jvp(
            lambda x: x / x.norm(dim=1, keepdim=True), points.detach(), (points @ jacobian.T).detach()
        )[1]
        growth = ((change + curl) * normal).sum(1)  # of |grad f|, riding along
        assert (growth.abs().max().item() < 1e-12) == kept
        torch.testing.assert_close(growth, (share - 1.0) * stretch.detach())


def test_values_normals_and_lengths() -> None:
    values = torch.tensor([0.1, -0.3])
    assert manifold(values, 2 * values, torch.zeros(3)).item() == pytest.approx((0.2 + 0.4) / 2)
    assert on_surface(values).item() == pytest.approx(0.2)
    assert on_surface(values[:0]).item() == 0.0
    n = directions(100)
    assert normals(3.0 * n, n).item() == pytest.approx(0.0, abs=1e-24)
    assert normals(-n, n).item() == pytest.approx(4.0)
    assert eikonal(n).item() == pytest.approx(0.0, abs=1e-20)
    assert eikonal(3.0 * n).item() == pytest.approx(4.0)
    flat = torch.zeros((2, 3), requires_grad=True)
    (eikonal(flat) + normals(flat, torch.ones(2, 3))).backward()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


def test_surface_area_counts_the_surface() -> None:
    """Points evenly across a slab: the mean times its thickness is 2 / sharpness for each sheet."""
    across = torch.linspace(-1.0, 1.0, 200_001, dtype=torch.float64)
    one, two = across, across.abs() - 0.5
    assert 2 * surface_area(one).item() == pytest.approx(2 / 100, rel=1e-3)
    assert 2 * surface_area(two).item() == pytest.approx(4 / 100, rel=1e-3)
    assert surface_area(across - 5.0).item() < 1e-100


@pytest.mark.parametrize(
    "name", ["level_set", "manifold", "onsurf", "normal", "nonmanifold", "eikonal", "surf_area", "loss"]
)
def test_the_twin_gives_the_authors_numbers(name: str, truth: dict[str, Tensor], twin: dict[str, Tensor]) -> None:
    torch.testing.assert_close(
        twin[name].double(), truth[f"implicit_stage_{name}"].double(), rtol=1e-5, atol=1e-7, check_dtype=False
    )


def test_ours_are_the_published_terms_where_those_are_right(
    implicit: ImplicitField, truth: dict[str, Tensor], twin: dict[str, Tensor]
) -> None:
    positions = published.trajectory(truth["batch_input_x"], STEPS)
    values = torch.stack([implicit(points, k / STEPS) for k, points in enumerate(positions)])
    ours = manifold(values[0], values[-1], implicit(truth["batch_input_y"], 1.0))
    torch.testing.assert_close(2 * ours, twin["manifold"])
    torch.testing.assert_close(on_surface(values[1:-1]), twin["onsurf"])
    box = torch.stack([implicit(truth["batch_global"], k / STEPS) for k in range(STEPS + 1)])
    torch.testing.assert_close(surface_area(box) * (STEPS + 1) / STEPS, twin["surf_area"])
    off = eikonal(implicit.derivatives(truth["batch_local_x"], 0.0).gradient)
    torch.testing.assert_close(off / STEPS, twin["nonmanifold"])


def test_the_normal_loss_differs_at_the_target_alone(
    implicit: ImplicitField, truth: dict[str, Tensor], twin: dict[str, Tensor]
) -> None:
    """Published at time 1: |grad f - n|^2, which a field of any other slope cannot make 0."""
    start = normals(implicit.derivatives(truth["batch_input_x"], 0.0).gradient, truth["batch_normal_x"])
    gradient = implicit.derivatives(truth["batch_input_y"], 1.0).gradient
    theirs = (gradient - truth["batch_normal_y"]).square().sum(1).mean()
    torch.testing.assert_close((start + theirs) / 3, twin["normal"])
    ours = normals(gradient, truth["batch_normal_y"])
    assert abs(ours - theirs).item() > 0.01
    length = gradient.norm(dim=1)
    cosine = (gradient * truth["batch_normal_y"]).sum(1) / length
    torch.testing.assert_close(theirs - ours, (length.square() - 1 - 2 * cosine * (length - 1)).mean())


def test_the_level_set_loss_differs_in_unit_sign_and_pairing(implicit: ImplicitField, truth: dict[str, Tensor]) -> None:
    """With the three faults put right one after the other, the published form becomes ours."""
    velocity = VelocityField(paper_shape(STEPS))
    published.load(velocity, "velocity")
    points = truth["batch_input_x"]
    jets = velocity.requires_grad_(False).jets(points, 0.0)
    found = implicit.derivatives(points, 0.0)
    value, gradient, rate = published.slopes(points, 0.0)
    step, step_jacobian = jets.value / STEPS, jets.jacobian / STEPS
    ours = level_set(found.value, found.gradient, found.rate, jets.value, jets.jacobian, 0.1)
    as_it_is = published.level_set(value, gradient, rate, step, step_jacobian)
    paired = published.level_set(value, gradient, rate[:, 0], step, step_jacobian)
    in_time = published.level_set(value, gradient, rate[:, 0], jets.value, jets.jacobian)
    signed = published.level_set(value, gradient, rate[:, 0], jets.value, -jets.jacobian)
    torch.testing.assert_close(ours, signed)
    for one, other in ((as_it_is, paired), (paired, in_time), (in_time, signed)):
        assert abs(one - other).item() > 1e-4


def test_the_published_level_set_loss_does_not_accept_the_truth() -> None:
    """A drifting sphere: ours is 0; theirs, even in the right unit, is the spread of the rates over the surface."""
    normal = directions()
    velocity, rate = DRIFT.expand(len(normal), 3), -normal @ DRIFT
    zero, still = torch.zeros(len(normal), dtype=torch.float64), torch.zeros((len(normal), 3, 3), dtype=torch.float64)
    assert level_set(zero, normal, rate, velocity, still).item() == pytest.approx(0.0, abs=1e-30)
    theirs = published.level_set(zero, normal, rate[:, None], velocity, still).item()
    assert theirs == pytest.approx(2 * rate.var(unbiased=False).item(), rel=1e-6)
    assert theirs > 0.2


def test_gradients_for_the_weights_are_autograds() -> None:
    """The whole chain of one step, by the analytic sweep and by autograd twice, in float64."""
    field = ImplicitField(24, 5, seed=3).double()
    points = 1.6 * torch.rand((40, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(2)) - 0.8
    times = torch.rand(40, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    wanted, jacobian = directions(40), SPIN.expand(40, 3, 3) + GROWTH * torch.eye(3)
    parameters = list(field.parameters())

    def total(value: Tensor, gradient: Tensor, rate: Tensor) -> Tensor:
        return (
            level_set(value, gradient, rate, wanted, jacobian)
            + normals(gradient, wanted)
            + eikonal(gradient)
            + surface_area(value, 3.0)
            + on_surface(value)
        )

    found = field.derivatives(points, times)
    ours = torch.autograd.grad(total(found.value, found.gradient, found.rate), parameters)
    x, t = points.clone().requires_grad_(), times.clone().requires_grad_()
    value = field(x, t)
    gradient, rate = torch.autograd.grad(value.sum(), (x, t), create_graph=True)
    twin = torch.autograd.grad(total(value, gradient, rate), parameters)
    for one, other in zip(ours, twin, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)  # softplus is cut at 20

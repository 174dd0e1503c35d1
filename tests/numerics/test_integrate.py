"""Integrators and paths against flows known in closed form."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from backend.fields.velocity import VelocityField, VelocityShape
from backend.flow.advect import advect
from backend.flow.integrate import STEPS, unroll

ORDERS = {"euler": 1, "midpoint": 2, "rk4": 4}
METHODS = sorted(STEPS)


def turning(points: Tensor, time: float) -> Tensor:
    """A rotation about z whose speed grows with time: the angle at t is t^2 / 2."""
    x, y, _ = points.unbind(-1)
    return time * torch.stack([-y, x, torch.zeros_like(x)], dim=-1)


def turned(points: Tensor, start: float, end: float) -> Tensor:
    angle = (end**2 - start**2) / 2
    c, s = math.cos(angle), math.sin(angle)
    return points @ torch.tensor([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]], dtype=points.dtype)


def growing(points: Tensor, time: float) -> Tensor:
    """dx/dt = (1 + t) x, so x(t) = x(0) e^(t + t^2 / 2)."""
    return (1 + time) * points


def grown(points: Tensor, start: float, end: float) -> Tensor:
    return points * math.exp((end - start) + (end**2 - start**2) / 2)


FLOWS = [pytest.param(turning, turned, id="turning"), pytest.param(growing, grown, id="growing")]


def unrolled(field, points: Tensor, start: float, end: float, steps: int, method: str) -> Tensor:
    """Where the differentiable integrator of the losses brings points."""
    return unroll(field, points, start, end, steps=steps, method=method)[0][-1]


def advected(field, points: Tensor, start: float, end: float, steps: int, method: str) -> Tensor:
    """Where the paths of finished morphs end."""
    return advect(field, points, start=start, end=end, steps=steps, method=method).positions[-1]


BOTH = pytest.mark.parametrize("move", [unrolled, advected])


@pytest.fixture
def points() -> Tensor:
    return torch.rand((40, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 0.5


@BOTH
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("field", "truth"), FLOWS)
def test_order(move, method: str, field, truth, points: Tensor) -> None:
    """Halving the step divides the error by 2 to the order."""
    wanted = truth(points, 0.2, 1.0)
    errors = [(move(field, points, 0.2, 1.0, steps, method) - wanted).abs().max().item() for steps in (20, 40, 80)]
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(ORDERS[method], abs=0.12)


@pytest.mark.parametrize("method", METHODS)
def test_order_of_the_path_between_grid_times(method: str, points: Tensor) -> None:
    """The cubic between grid times keeps the order of the integrator (4 for RK4: its own error is of that order)."""
    errors = []
    for steps in (20, 40, 80):
        path = advect(growing, points, steps=steps, method=method)
        time = (steps // 2 + 0.37) / steps
        errors.append((path.at(time) - grown(points, 0.0, time)).abs().max().item())
    slope = math.log2(errors[0] / errors[2]) / 2
    assert slope >= ORDERS[method] - 0.15


@BOTH
@pytest.mark.parametrize("method", METHODS)
def test_back_in_time(move, method: str, points: Tensor) -> None:
    there = move(turning, points, 0.0, 1.0, 100, method)
    back = move(turning, there, 1.0, 0.0, 100, method)
    tolerance = {"euler": 2e-2, "midpoint": 2e-4, "rk4": 1e-9}[method]
    assert (back - points).abs().max() < tolerance
    assert (move(turning, points, 1.0, 0.0, 100, method) - turned(points, 1.0, 0.0)).abs().max() < tolerance


@BOTH
@pytest.mark.parametrize("steps", [1, 2, 5, 10, 20])
def test_any_number_of_steps_travels_the_whole_way(move, steps: int, points: Tensor) -> None:
    """The authors' evaluation with half as many steps goes half the way; here every number goes all of it."""
    constant = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    for method in METHODS:
        moved = move(lambda x, t: constant.expand_as(x), points, 0.0, 1.0, steps, method)
        torch.testing.assert_close(moved, points + constant)


def test_unrolling_gives_the_velocities_along_the_way(points: Tensor) -> None:
    positions, velocities = unroll(turning, points, steps=7)
    assert len(positions) == 8
    assert len(velocities) == 7
    torch.testing.assert_close(velocities[3], turning(positions[3], 3 / 7))


def test_integration_is_differentiable(points: Tensor) -> None:
    """d x(1) / d rate of dx/dt = rate * x is x(0) e^rate."""
    rate = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    unrolled(lambda x, t: rate * x, points, 0.0, 1.0, 20, "rk4").sum().backward()
    assert rate.grad is not None
    assert rate.grad.item() == pytest.approx((points * math.exp(0.7)).sum().item(), rel=1e-6)


def test_path_meets_the_integrator_and_both_ends_bit_for_bit() -> None:
    field = _network()
    points = torch.rand((33, 3), generator=torch.Generator().manual_seed(2))
    path = advect(field, points, steps=8)
    assert torch.equal(path.at(0.0), points)
    with torch.no_grad():
        positions, _ = unroll(field, points, steps=8)
    for index, position in enumerate(positions):
        torch.testing.assert_close(path.at(index / 8), position, rtol=0, atol=1e-6)
    assert torch.equal(path.at(1.0), path.positions[-1])
    assert torch.equal(path.at(1.5), path.at(1.0))


def test_path_is_smooth_across_grid_times() -> None:
    """Position and speed have no jump where two cubics meet."""
    points = torch.rand((33, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    path = advect(_network().double(), points, steps=8)
    e = 1e-6
    before, here, after = (path.at(0.5 + d) for d in (-e, 0.0, e))
    torch.testing.assert_close((here - before) / e, (after - here) / e, rtol=1e-4, atol=1e-5)


def test_path_back_in_time_returns() -> None:
    field = _network().double()
    points = torch.rand((33, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    there = advect(field, points, steps=64, method="rk4")
    back = advect(field, there.at(1.0), start=1.0, end=0.0, steps=64, method="rk4")
    for time in (0.0, 0.31, 0.75, 1.0):
        torch.testing.assert_close(back.at(time), there.at(time), rtol=0, atol=1e-6)


def test_a_frame_does_not_depend_on_the_others_nor_on_the_chunks() -> None:
    field = _network()
    points = torch.rand((100, 3), generator=torch.Generator().manual_seed(3))
    some, whole = advect(field, points), advect(field, points)
    many = [whole.at(k / 100) for k in range(101)]
    for k in (90, 25, 50):
        assert torch.equal(some.at(k / 100), many[k])
    parts = advect(field, points, chunk=17)
    torch.testing.assert_close(whole.positions, parts.positions, rtol=0, atol=2e-6)


def test_a_path_without_time_is_refused(points: Tensor) -> None:
    with pytest.raises(ValueError, match="at least one step"):
        advect(turning, points, steps=0)
    with pytest.raises(ValueError, match=r"0.5 to 0.5"):
        advect(turning, points, start=0.5, end=0.5)


def _network() -> VelocityField:
    return VelocityField(VelocityShape(width=32, depth=2, output_scale=0.3), seed=5, zero_last=False)

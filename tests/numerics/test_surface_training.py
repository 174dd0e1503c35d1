"""The implicit field from its start through the three trainings, on spheres that drift."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from backend.fields.compiled import can_compile, compiled
from backend.fields.implicit import ImplicitField
from backend.fields.velocity import VelocityField, VelocityShape, paper_shape
from backend.flow.advect import advect
from backend.methods.surface_paper import SurfaceTraining, fit_surface_paper, worth_compiling
from backend.training.run import Run
from backend.training.schedule import Halving
from backend.training.surface_samples import MARGIN, SurfacePair, SurfaceSampler, carry, carry_all, spread

RADIUS = 0.5
DRIFT = torch.tensor([0.4, 0.1, -0.2])
SMALL = SurfaceTraining(
    steps=4, width=64, depth=4, batch=64, updates=300, fine_tune_updates=0, schedule=Halving(every=150)
)


def sphere(count: int, centre: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    normals = torch.randn((count, 3), generator=torch.Generator().manual_seed(seed))
    normals = normals / normals.norm(dim=1, keepdim=True)
    return centre + RADIUS * normals, normals


def drifting_pair(count: int = 1000) -> SurfacePair:
    points, normals = sphere(count, torch.zeros(3), 1)
    return SurfacePair(
        points, normals, points + DRIFT, normals, torch.ones(count),
        *sphere(count + 5, torch.zeros(3), 2), *sphere(count - 7, DRIFT, 3),
    )  # fmt: skip


def drift() -> VelocityField:
    velocity = VelocityField(VelocityShape(8, 1, "softplus", None, time_dependent=False))
    with torch.no_grad():
        velocity.mlp.layer(-1).bias.copy_(DRIFT)
    return velocity


def misses(field: ImplicitField, t: float) -> Tensor:
    """How far the zero level is from where the sphere is at ``t``, along rays from its centre."""
    _, rays = sphere(500, torch.zeros(3), 9)
    reach = torch.linspace(0.3, 0.7, 201)
    values = torch.stack([field(t * DRIFT + r * rays, t).detach() for r in reach])  # [R, N]
    crossings = (values[:-1] < 0) & (values[1:] >= 0)
    assert crossings.any(dim=0).all()
    return reach[crossings.float().argmax(dim=0)] - RADIUS


@pytest.mark.parametrize("seed", range(3))
def test_the_start_is_near_a_sphere_and_stands_still(seed: int) -> None:
    field = ImplicitField(radius=0.8, seed=seed)
    points = 2.4 * torch.rand((4000, 3), generator=torch.Generator().manual_seed(1)) - 1.2
    values, length = field(points, 0.0).detach(), points.norm(dim=1)
    assert torch.corrcoef(torch.stack([values, length]))[0, 1] > 0.85
    assert 0.7 < field.derivatives(points, 0.0).gradient.norm(dim=1).mean() < 1.3
    assert -0.8 < field(torch.zeros(1, 3), 0.0).item() < -0.4
    assert values[length < 0.4].max() < 0.0
    assert (field(3.0 * points[length > 0.8], 0.0) > 0).all()
    torch.testing.assert_close(field(points, 1.0).detach(), values, rtol=0, atol=0)
    assert torch.equal(field.derivatives(points, 0.3).rate, torch.zeros(4000))
    assert torch.equal(ImplicitField(radius=0.8, seed=seed)(points, 0.0), values)


def test_carried_points_go_with_the_field() -> None:
    velocity = VelocityField(paper_shape(4, width=16, depth=2), seed=2, zero_last=False)
    points, _ = sphere(50, torch.zeros(3), 0)
    way, whole = carry(velocity, points, 4, "euler"), carry_all(velocity, points, 4, "euler")
    torch.testing.assert_close(way.positions[-1], advect(velocity, points, steps=4, method="euler").at(1.0))
    for k in range(5):
        torch.testing.assert_close(way.velocities[k], velocity(way.positions[k], k / 4))
        torch.testing.assert_close(way.jacobians[k], velocity.jets(way.positions[k], k / 4).jacobian)
    assert torch.equal(whole.positions, way.positions.detach())
    assert way.positions.requires_grad
    assert not whole.jacobians.requires_grad
    torch.testing.assert_close(way.rows(torch.tensor([3, 1])).positions, way.positions[:, [3, 1]])


def test_the_shell_is_as_thick_as_its_own_points_are_far_apart() -> None:
    points, _ = sphere(300, torch.zeros(3), 4)
    expected = np.sort(cdist(points.numpy(), points.numpy()), axis=1)[:, 50]
    np.testing.assert_allclose(spread(points).numpy(), expected, rtol=1e-5)
    assert spread(points[:10]).max() <= 2 * RADIUS


def test_samples_lie_where_the_surface_is_at_their_time() -> None:
    pair, steps = drifting_pair(), 4
    sampler = SurfaceSampler(pair, 200, steps, torch.Generator().manual_seed(0))
    rows = sampler.rows()
    for picked in (rows.pairs, rows.source, rows.target):
        assert len(picked.unique()) == 200
    positions = carry_all(drift(), pair.source_surface[rows.source], steps, "euler").positions
    around = sampler.around(rows, positions)
    offset = (around.shell - around.shell_times[:, None] * DRIFT).norm(dim=1) - RADIUS
    assert offset.abs().mean() < 2 * spread(pair.source_surface).mean()
    assert offset.abs().mean() > 0.2 * spread(pair.source_surface).mean()
    assert set((around.shell_times * steps).tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert len(around.box) == 50 * (steps + 1)
    low = torch.minimum(torch.zeros(3), DRIFT) - RADIUS - MARGIN
    high = torch.maximum(torch.zeros(3), DRIFT) + RADIUS + MARGIN
    assert (around.box > low - 1e-4).all()
    assert (around.box < high + 1e-4).all()
    assert ((around.box.amax(0) - around.box.amin(0)) > 0.9 * (high - low)).all()
    one = sampler.around(rows, positions, 2)
    assert torch.equal(one.shell_times, torch.full((200,), 0.5))
    assert torch.equal(one.box_times, torch.full((50,), 0.5))
    assert not torch.equal(one.shell, sampler.around(rows, positions, 2).shell)


@pytest.mark.parametrize(
    ("training", "tolerance"),
    [
        pytest.param(SMALL, 0.02, id="separate"),
        pytest.param(replace(SMALL, updates=200, fine_tune_updates=100), 0.03, id="fine-tuned"),
    ],
)
def test_the_zero_level_is_where_the_sphere_is(training: SurfaceTraining, tolerance: float) -> None:
    """Within 4 % of the radius everywhere (6 % after two thirds of the updates), also at a time that no sample has."""
    velocity = drift()
    before = [p.clone() for p in velocity.parameters()]
    losses = list[float]()
    run = Run(on_progress=lambda phase, step, total, loss, left: losses.append(loss or math.nan))
    field, outcome = fit_surface_paper(velocity, drifting_pair(), training, run)
    assert outcome.steps == training.updates + training.fine_tune_updates
    assert np.mean(losses[120:150]) < 0.05 * losses[0]
    for t in (0.0, 0.5, 0.6, 1.0):
        assert misses(field, t).abs().max() < tolerance
    for one, other in zip(before, velocity.parameters(), strict=True):
        assert torch.equal(one, other)


def test_jointly_the_velocity_is_learned_too() -> None:
    pair = drifting_pair()
    velocity = VelocityField(paper_shape(4, width=32, depth=2))
    training = replace(SMALL, mode="joint", updates=250, ramp=60, schedule=Halving(first=3e-3, every=100))
    field, _ = fit_surface_paper(velocity, pair, training, Run())
    arrived = advect(velocity, pair.source, steps=4, method="euler").at(1.0)
    assert (arrived - pair.target).norm(dim=1).mean() < 0.1 * DRIFT.norm()
    for t in (0.0, 0.5, 1.0):
        assert misses(field, t).abs().max() < 0.05


def test_the_level_set_term_alone_moves_the_field() -> None:
    """With no point asked to be on the surface and no normal wanted, f still rides on V from its start."""
    alone = replace(SMALL, updates=150, manifold_weight=0.0, on_surface_weight=0.0, normal_weight=0.0, area_weight=0.0)
    pair = drifting_pair()
    changes = []
    for weight in (100.0, 0.0):
        field, _ = fit_surface_paper(drift(), pair, replace(alone, level_set_weight=weight), Run())
        changes.append((field(pair.source + DRIFT, 1.0) - field(pair.source, 0.0)).abs().mean().item())
    assert changes[0] < 0.01
    assert changes[0] < 0.1 * changes[1]


def test_a_training_obeys_seed_clock_and_reserve() -> None:
    few = replace(SMALL, updates=5, fine_tune_updates=5)
    pair, points = drifting_pair(), sphere(20, DRIFT, 0)[0]
    first, second, third = (fit_surface_paper(drift(), pair, few, Run(seed=s))[0](points, 0.5) for s in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    endless = replace(SMALL, updates=10**9, fine_tune_updates=10**9)
    run = Run(seconds=1.5)
    _, outcome = fit_surface_paper(drift(), pair, endless, run, reserve=0.5)
    assert outcome.steps > 10
    assert 0.2 < run.seconds_left() <= 0.5


def test_fine_tuning_goes_on_where_the_rate_was() -> None:
    schedule = replace(Halving(every=100), before=250)
    assert schedule.rate(0, 0.0) == Halving(every=100).rate(250, 0.0)
    assert schedule.rate(60, 0.0) == Halving(every=100).rate(310, 0.0)


def test_only_long_trainings_are_compiled() -> None:
    endless = replace(SMALL, updates=10**9)
    assert worth_compiling(endless, Run())
    assert not worth_compiling(replace(endless, compile="off"), Run())
    assert not worth_compiling(endless, Run(seconds=60.0))
    assert not worth_compiling(SMALL, Run())


def test_nothing_is_compiled_where_nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", None)
    field, points = ImplicitField(8, 2), torch.rand(5, 3)
    eager = field.derivatives(points, 0.5)
    field.evaluated_by(lambda function: compiled(function, torch.device("cpu")))
    with torch.no_grad():
        assert torch.equal(field.derivatives(points, 0.5).gradient, eager.gradient)


@pytest.mark.skipif(not can_compile(torch.device("cpu")), reason="no C++ compiler")
def test_compiled_and_eager_agree() -> None:
    """Taken apart as the compiler does, derivatives of derivatives included."""
    field = ImplicitField(16, 4)
    points = torch.rand((30, 3), generator=torch.Generator().manual_seed(0))
    eager = field.derivatives(points, 0.5)
    parameters = list(field.parameters())
    wanted = torch.autograd.grad((eager.value + eager.gradient.square().sum(1)).sum(), parameters)
    field.evaluated_by(lambda function: compiled(function, torch.device("cpu"), "aot_eager"))
    fast = field.derivatives(points, 0.5)
    got = torch.autograd.grad((fast.value + fast.gradient.square().sum(1)).sum(), parameters)
    torch.testing.assert_close(fast.gradient, eager.gradient, rtol=1e-5, atol=1e-5)
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)

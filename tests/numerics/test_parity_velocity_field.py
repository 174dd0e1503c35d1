"""Our networks, derivatives, trajectory and losses against the outputs of the authors' code (float32)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.fields.implicit import ImplicitField
from backend.fields.velocity import VelocityField, paper_shape
from backend.flow.advect import advect
from backend.flow.integrate import unroll
from backend.losses.matching import matching
from backend.losses.smoothness import smoothness
from tests.numerics import published

STEPS = 5


@pytest.fixture(scope="module")
def truth() -> dict[str, Tensor]:
    return {
        name: torch.from_numpy(np.asarray(values)) for name, values in published.arrays().items() if name != "params"
    }


@pytest.fixture(scope="module")
def field() -> VelocityField:
    """Ours with their weights: the velocity is their displacement times the number of steps."""
    field = VelocityField(paper_shape(STEPS))
    published.load(field, "velocity")
    return field.requires_grad_(False)


@pytest.fixture(scope="module")
def implicit() -> ImplicitField:
    implicit = ImplicitField()
    published.load(implicit, "implicit")
    return implicit.requires_grad_(False)


def close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(ours, theirs.to(ours.dtype), rtol=tolerance, atol=tolerance)


def test_velocity_and_jacobian(field: VelocityField, truth: dict[str, Tensor]) -> None:
    jets = field.jets(truth["x"], 0.0)
    close(field(truth["x"], 0.0) / STEPS, truth["V"])
    close(jets.value / STEPS, truth["V"])
    close(jets.jacobian / STEPS, truth["jac_V"])
    close(published.displacement(truth["x"]), truth["V"])


def test_implicit_and_first_derivatives(implicit: ImplicitField, truth: dict[str, Tensor]) -> None:
    found = implicit.derivatives(truth["x"], truth["t"])
    close(implicit(truth["x"], truth["t"]), truth["f"])
    close(found.value, truth["f"])
    close(found.gradient, truth["grad_f"])
    close(found.rate, truth["f_t"][:, 0])


def test_trajectory(field: VelocityField, truth: dict[str, Tensor]) -> None:
    positions, _ = unroll(field, truth["batch_input_x"], steps=STEPS, method="euler")
    close(torch.stack(positions), truth["trajectory"], 2e-5)
    close(torch.stack(published.trajectory(truth["batch_input_x"], STEPS)), truth["trajectory"], 2e-5)


def test_velocity_stage_losses(field: VelocityField, truth: dict[str, Tensor]) -> None:
    points, targets = truth["batch_input_x"], truth["batch_input_y"]
    positions, velocities = unroll(field, points, steps=STEPS, method="euler")
    half = len(points) // 2
    smooth = torch.stack([smoothness(v / STEPS, None) for v in velocities]).mean()
    match = matching(positions[-1][:half], targets[:half])
    twin = published.velocity_losses(points, targets, STEPS)
    for ours, theirs, name in ((smooth, twin["laplacian"], "laplacian"), (match, twin["match"], "match")):
        close(ours, truth[f"velocity_stage_{name}"])
        close(theirs, truth[f"velocity_stage_{name}"])
    close(20 * smooth + 200 * match, truth["velocity_stage_loss"])
    close(twin["loss"], truth["velocity_stage_loss"])


def test_only_the_published_step_forgets_its_length(field: VelocityField, truth: dict[str, Tensor]) -> None:
    """With twice the steps the published points go on as far again; ours arrive at about the same place."""
    points = 0.3 * truth["batch_input_x"]
    small = VelocityField(paper_shape(STEPS))
    small.load_state_dict(field.state_dict())
    with torch.no_grad():
        small.mlp.layer(-1).weight.mul_(0.1)
        small.mlp.layer(-1).bias.mul_(0.1)
    ours = [advect(small, points, steps=steps, method="euler").at(1.0) for steps in (STEPS, 2 * STEPS)]
    far = [points]
    for _ in range(2 * STEPS):
        far.append(far[-1] + small(far[-1], 0.0).detach() / STEPS)
    moved = (ours[0] - points).norm(dim=1).mean()
    assert (ours[1] - ours[0]).norm(dim=1).mean() < 0.1 * moved
    assert (far[-1] - ours[0]).norm(dim=1).mean() > 0.7 * moved

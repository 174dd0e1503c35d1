"""Pieces of the velocity method against motions known exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.fields.velocity import VelocityField, VelocityShape
from backend.flow.co_moving import CoMoving
from backend.flow.keyed_path import KeyedPath
from backend.training.closed_form import solve_last_layer
from backend.training.path_samples import PathSampler
from tests.meshes import icosphere, rotation


def spinning(keys: int, rate: float = 1.2) -> tuple[torch.Tensor, torch.Tensor]:
    """A sphere that spins about z while it drifts along x: positions [keys + 1, W, 3] and triangles [T, 3]."""
    ball = icosphere(2)
    times = np.linspace(0.0, 1.0, keys + 1)
    turned = [ball.positions() @ rotation([0, 0, 1], np.degrees(rate * t)).T + [0.5 * t, 0, 0] for t in times]
    return torch.tensor(np.array(turned)), torch.tensor(ball.triangles().astype(np.int64))


def test_a_keyed_path_converges_with_the_third_order_at_least():
    errors = []
    for keys in (8, 16, 32):
        positions, _ = spinning(keys)
        path = KeyedPath.through(positions)
        between = torch.tensor(
            icosphere(2).positions() @ rotation([0, 0, 1], np.degrees(1.2 * 0.53)).T + [0.5 * 0.53, 0, 0]
        )
        errors.append(float((path.at(0.53) - between).norm(dim=1).max()))
    assert np.log2(errors[0] / errors[2]) / 2 > 2.5
    assert torch.equal(KeyedPath.through(positions).at(0.25), positions[8])


def test_path_samples_have_the_velocity_of_the_motion():
    positions, triangles = spinning(32)
    sampler = PathSampler(KeyedPath.through(positions), triangles, 0.05, torch.Generator().manual_seed(0))
    samples = sampler.draw(3000)
    middle = torch.stack([0.5 * samples.times, torch.zeros(3000), torch.zeros(3000)], dim=1)
    relative = samples.points - middle
    wanted = torch.stack([-1.2 * relative[:, 1] + 0.5, 1.2 * relative[:, 0], torch.zeros(3000)], dim=1)
    assert float((samples.velocities - wanted).norm(dim=1).max()) < 5e-3
    assert float((relative.norm(dim=1) - 1.0).abs().max()) > 0.05  # some of them off the surface
    assert float((samples.normals.norm(dim=1) - 1.0).abs().max()) < 1e-6


def test_the_last_layer_in_closed_form_is_the_least_squares_fit():
    positions, triangles = spinning(16)
    path = KeyedPath.through(positions.float())
    samples = PathSampler(path, triangles, 0.05, torch.Generator().manual_seed(0)).draw(20_000)
    velocity = VelocityField(VelocityShape(64, 1, "sine", space_frequency=1.0))
    solve_last_layer(velocity, samples, ridge=1e-9)
    with torch.no_grad():
        features = velocity.features(samples.points, samples.times).double()
        columns = torch.cat([features, torch.ones(len(features), 1, dtype=torch.float64)], dim=1).numpy()
        wanted = samples.velocities.double().numpy()
        best = np.linalg.lstsq(columns, wanted, rcond=None)[0]
        ours = float((velocity(samples.points, samples.times) - samples.velocities).square().sum(1).mean())
    theirs = float(((columns @ best - wanted) ** 2).sum(axis=1).mean())
    assert ours <= 1.05 * theirs + 1e-9
    assert ours < 1e-4 * float(samples.velocities.square().sum(1).mean())


@pytest.mark.parametrize("degrees", [0.0, 75.0, 160.0])
def test_the_co_moving_frame_takes_out_a_similarity(degrees):
    start = icosphere(2).positions() * np.array([1.0, 2.0, 0.5]) + 10.0
    end = 3.0 * start @ rotation([1.0, -1.0, 0.3], degrees).T - 4.0
    frame = CoMoving.of(start, end)
    inside = frame.enter(start, 0.0)
    np.testing.assert_allclose(frame.enter(end, 1.0), inside, atol=1e-7)
    assert np.abs(inside).max() <= 1.0 + 1e-9
    for progress in (0.0, 0.3, 1.0):
        np.testing.assert_allclose(frame.leave(frame.enter(end, progress), progress), end, atol=1e-9)
    assert CoMoving.from_state(frame.state()) == frame

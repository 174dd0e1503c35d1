"""The level set between shapes whose way is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from backend.flow.level_set import LevelSet
from backend.geometry.isosurface import Grid

CELLS = 32
CELL = 4.0 / CELLS
SIDE = np.linspace(-2.0, 2.0, CELLS + 1)
NODES = np.stack(np.meshgrid(SIDE, SIDE, SIDE, indexing="ij"), axis=-1)


def ball(radius, x=0.0):
    return np.linalg.norm(NODES - np.array([x, 0.0, 0.0]), axis=-1) - radius


def way(source, target):
    level_set = LevelSet(Grid(np.full(3, -2.0), CELL, (CELLS,) * 3), target)
    return level_set, list(level_set.states(source, lambda step, steps: None))


def volume(values):
    return float(np.clip(0.5 - values / CELL, 0, 1).sum()) * CELL**3


@pytest.mark.parametrize(("start", "end"), [(0.7, 1.3), (1.3, 0.7)])
def test_a_ball_stays_a_ball_and_keeps_its_distances(start, end):
    _, states = way(ball(start), ball(end))
    radii = []
    for state in states:
        front = np.abs(state.values) < 2 * CELL
        radius = np.linalg.norm(NODES, axis=-1)[front] - state.values[front]
        assert radius.std() < 0.1 * CELL
        radii.append(radius.mean())
    assert (np.diff([start, *radii]) * np.sign(end - start) > 0).all()
    assert radii[-1] == pytest.approx(end, abs=0.3 * CELL)
    volumes = [volume(state.values) for state in states]
    assert (np.diff(volumes) * np.sign(end - start) > 0).all()


def test_overlapping_balls_end_at_the_target_in_one_piece():
    level_set, states = way(ball(0.8, -0.5), ball(0.8, 0.5))
    for state in states:
        assert label(state.values < 0)[1] == 1
    changes = [state.change for state in states]
    assert changes == sorted(changes)
    last = states[-1].values
    near = np.abs(last) < CELL
    assert np.abs(last - ball(0.8, 0.5))[near].max() < CELL
    assert level_set.missing(last) == 0.0


def test_a_limb_grows_out_of_the_body():
    beyond = np.abs(NODES - np.array([0.4, 0.0, 0.0])) - np.array([1.2, 0.25, 0.25])
    limb = np.linalg.norm(np.maximum(beyond, 0), axis=-1) + np.minimum(beyond.max(axis=-1), 0)
    _, states = way(ball(0.6, -0.8), np.minimum(limb, ball(0.6, -0.8)))
    tips = [NODES[state.values < 0][:, 0].max() for state in states]
    assert (np.diff(tips) >= -1e-9).all()
    assert tips[len(tips) // 2] < 1.3
    assert tips[-1] == pytest.approx(1.6, abs=1.2 * CELL)
    for state in states:
        assert label(state.values < 0)[1] == 1


def test_what_cannot_be_reached_is_known():
    level_set, states = way(ball(0.6, -1.0), np.minimum(ball(0.6, -1.0), ball(0.6, 1.0)))
    assert level_set.missing(states[-1].values if states else ball(0.6, -1.0)) == pytest.approx(0.5, abs=0.05)


def test_equal_ends_need_no_way_and_a_step_may_stop_it():
    assert way(ball(1.0), ball(1.0))[1] == []

    def stop(step, steps):
        raise KeyboardInterrupt

    level_set = LevelSet(Grid(np.full(3, -2.0), CELL, (CELLS,) * 3), ball(1.0))
    with pytest.raises(KeyboardInterrupt):
        list(level_set.states(ball(0.5), stop))

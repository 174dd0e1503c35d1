"""Lines through scattered points: as many as were drawn, where they were drawn."""

from __future__ import annotations

import numpy as np
import pytest

from backend.surfaces.skeleton_lines import CELLS, skeleton_lines


def scattered(ends: list[tuple[tuple[float, ...], tuple[float, ...]]], noise: float = 0.002) -> np.ndarray:
    """Points around straight lines [N, 3]."""
    rng = np.random.default_rng(0)
    along = np.linspace(0.0, 1.0, 400)[:, None]
    points = np.concatenate([np.array(a) + along * (np.array(b) - np.array(a)) for a, b in ends])
    return np.asarray(points + noise * rng.standard_normal(points.shape))


def test_a_straight_line_is_one() -> None:
    places, lines = skeleton_lines(scattered([((0, 0, 0), (1, 0, 0))]))
    assert len(lines) == 1
    assert 0.8 * CELLS <= len(lines[0]) <= CELLS + 1
    drawn = places[lines[0]]
    assert abs(np.diff(drawn[:, 0])).max() < 3 / CELLS
    assert np.abs(drawn[:, 1:]).max() < 0.01
    assert sorted(drawn[[0, -1], 0].round(1)) == [0.0, 1.0]


def test_three_arms_meet_in_a_fork() -> None:
    arms = [((0, 0, 0), end) for end in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    places, lines = skeleton_lines(scattered(arms))
    assert len(lines) == 3
    ends = [index for line in lines for index in (line[0], line[-1])]
    forks = [index for index in set(ends) if ends.count(index) == 3]
    assert len(forks) == 1
    assert np.linalg.norm(places[forks[0]]) < 0.05


def test_a_stub_is_no_line() -> None:
    arms = [((0, 0, 0), (1, 0, 0)), ((0.5, 0, 0), (0.5, 2.2 / CELLS, 0))]
    _, lines = skeleton_lines(scattered(arms, noise=0.0))
    assert len(lines) == 1


def test_what_is_apart_stays_apart() -> None:
    _, lines = skeleton_lines(scattered([((0, 0, 0), (1, 0, 0)), ((0, 0.5, 0), (1, 0.5, 0))]))
    assert len(lines) == 2


def test_a_ring_is_closed_and_keeps_its_tail() -> None:
    angles = np.linspace(0.0, 2 * np.pi, 2000)
    ring = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    places, (line,) = skeleton_lines(ring)
    assert line[0] == line[-1]
    assert len(set(line)) == len(line) - 1
    np.testing.assert_allclose(np.linalg.norm(places[line], axis=1), 1.0, atol=0.01)
    assert np.linalg.norm(np.diff(places[line], axis=0), axis=1).sum() == pytest.approx(2 * np.pi, rel=0.02)
    tail = np.linspace([1.0, 0.0, 0.0], [2.0, 0.0, 0.0], 500)
    _, lines = skeleton_lines(np.concatenate([ring, tail]))
    ends = [index for one in lines for index in (one[0], one[-1])]
    assert len(lines) == 2
    assert max(map(ends.count, ends)) == 3


def test_a_thick_ring_is_drawn_together() -> None:
    rng = np.random.default_rng(1)
    angles, offset = rng.uniform(0.0, 2 * np.pi, 6000), rng.normal(size=(6000, 3))
    offset *= 0.07 * rng.random((6000, 1)) / np.linalg.norm(offset, axis=1, keepdims=True)
    ring = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    places, (line,) = skeleton_lines(ring + offset)
    assert line[0] == line[-1]
    away = np.hypot(np.linalg.norm(places[:, :2], axis=1) - 1.0, places[:, 2])
    assert away.max() < 0.02


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.zeros((1, 3)), np.zeros((9, 3))])
def test_what_is_no_line_stays_points(points: np.ndarray) -> None:
    places, lines = skeleton_lines(points)
    assert lines == []
    assert len(places) == min(len(points), 1)

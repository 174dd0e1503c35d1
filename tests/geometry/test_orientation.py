"""Normals of clouds without normals: directions and, above all, signs."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry.orientation import oriented_normals, spacing, thinned


def fibonacci(n: int) -> np.ndarray:
    """Points [n, 3] spread evenly over the unit sphere."""
    k = np.arange(n) + 0.5
    height, turn = 1.0 - 2.0 * k / n, np.pi * (1.0 + 5.0**0.5) * k
    ring = np.sqrt(1.0 - height**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)


def ring(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Random points of a torus and their normals."""
    u, v = rng.uniform(0.0, 2.0 * np.pi, (2, n))
    outwards = np.stack([np.cos(u) * np.cos(v), np.sin(u) * np.cos(v), np.sin(v)], axis=1)
    middle = np.stack([np.cos(u), np.sin(u), np.zeros(n)], axis=1)
    return middle + 0.3 * outwards, outwards


def agreement(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return np.asarray((found * wanted).sum(axis=1))


@pytest.mark.parametrize("seed", range(4))
def test_a_ring_and_a_ball_inside_out_of_each_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, normals = ring(5000, rng)
    ball = fibonacci(800)
    found = oriented_normals(np.concatenate([points, 0.4 * ball + [3.0, 0.0, 0.0]]))
    cosine = agreement(found, np.concatenate([normals, ball]))
    assert (cosine > 0.0).all()
    assert np.median(cosine) > 0.995


def test_a_ball_with_a_hole_still_has_an_inside() -> None:
    ball = fibonacci(3000)
    kept = ball[ball[:, 2] < 0.7]
    assert (agreement(oriented_normals(kept), kept) > 0.0).mean() > 0.999


def test_thin_plates_keep_their_two_sides_apart() -> None:
    rng = np.random.default_rng(3)
    flat = rng.uniform(-1.0, 1.0, (4000, 2))
    side = np.repeat([0.05, -0.05], 2000)
    found = oriented_normals(np.column_stack([flat, side]))
    inner = np.abs(flat).max(axis=1) < 0.9
    assert (found[inner, 2] * side[inner] > 0.0).mean() > 0.99


def test_a_curve_in_the_plane_with_a_hole() -> None:
    turn = np.linspace(0.0, 2.0 * np.pi, 400, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    found = oriented_normals(np.concatenate([circle, 0.5 * circle]))
    cosine = agreement(found, np.concatenate([circle, -circle]))
    assert (cosine > 0.99).all()


def test_spacing_is_that_of_a_grid_and_of_a_line() -> None:
    grid = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0), [0.0]), axis=-1).reshape(-1, 3)
    middle = (np.abs(grid[:, :2] - 9.5) < 5.0).all(axis=1)
    assert np.median(spacing(grid)[middle]) == pytest.approx(1.0, rel=0.15)
    line = np.stack([np.arange(50.0), np.zeros(50)], axis=1)
    assert np.median(spacing(line)) == pytest.approx(1.0)


def test_thinned_points_are_few_and_everywhere() -> None:
    points = np.random.default_rng(0).uniform(0.0, 1.0, (20_000, 3))
    few = thinned(points, 500)
    assert 250 < len(few) <= 500
    assert len(np.unique(few)) == len(few)
    apart = np.linalg.norm(points[few][:, None] - points[few][None], axis=2) + 9.0 * np.eye(len(few))
    assert np.median(apart.min(axis=1)) > 0.06  # at random it would be 0.045

"""Distances and samples against analytic surfaces and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.geometry.distance import closest_on_surface, nearest_distances
from backend.geometry.sampling import interpolate, sample_surface
from backend.geometry.triangles import areas, diagonal, parts, signed_volume
from tests.meshes import grid, icosphere, torus


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_distance_to_a_plane_patch(size: float) -> None:
    square = grid(4, size)
    triangles = square.triangles()
    points = np.random.default_rng(0).uniform(0.1, 0.9, (200, 3)) * size
    distance, face, closest = closest_on_surface(points, square.positions(), triangles)
    np.testing.assert_allclose(distance, points[:, 2], rtol=1e-6)
    np.testing.assert_allclose(closest[:, :2], points[:, :2], rtol=1e-6)
    np.testing.assert_allclose(np.abs(closest[:, 2]), 0, atol=1e-9 * size)
    middle = square.positions()[triangles[face]].mean(axis=1)
    assert np.abs(middle[:, :2] - points[:, :2]).max() < size / 4


def test_distance_to_corners_and_edges_agrees_with_dense_samples() -> None:
    ring = torus(16, 8)
    points = np.random.default_rng(1).normal(size=(100, 3))
    distance, _, closest = closest_on_surface(points, ring.positions(), ring.triangles())
    dense, _, _ = sample_surface(ring.positions(), ring.triangles(), 200_000, np.random.default_rng(2))
    there, _ = nearest_distances(points, dense)
    assert (distance <= there + 1e-9).all()
    assert (there - distance).max() < 0.02
    np.testing.assert_allclose(np.linalg.norm(points - closest, axis=1), distance, atol=1e-9)


def test_no_points_are_no_trouble() -> None:
    sphere = icosphere(1)
    distance, face, closest = closest_on_surface(np.zeros((0, 3)), sphere.positions(), sphere.triangles())
    assert distance.shape == (0,)
    assert face.shape == (0,)
    assert closest.shape == (0, 3)


def test_nearest_distances_are_those_of_all_pairs() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    table = np.linalg.norm(a[:, None] - b[None], axis=2)
    there, back = nearest_distances(a, b)
    np.testing.assert_allclose(there, table.min(axis=1))
    np.testing.assert_allclose(back, table.min(axis=0))


def test_samples_are_uniform_by_area() -> None:
    """Chi-square over the faces of a torus, and over quarters of a single triangle."""
    ring = torus(12, 8)
    triangles = ring.triangles()
    n = 40_000
    points, faces, weights = sample_surface(ring.positions(), triangles, n, np.random.default_rng(5))
    share = areas(ring.positions(), triangles)
    expected = n * share / share.sum()
    assert stats.chisquare(np.bincount(faces, minlength=len(triangles)), expected).pvalue > 1e-3
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(interpolate(ring.positions(), triangles, faces, weights), points)
    quarter = np.where(weights.max(axis=1) > 0.5, weights.argmax(axis=1), 3)
    assert stats.chisquare(np.bincount(quarter)).pvalue > 1e-3


def test_samples_need_an_area_and_repeat_with_the_seed() -> None:
    sphere = icosphere(1)
    again = [sample_surface(sphere.positions(), sphere.triangles(), 50, np.random.default_rng(6))[0] for _ in range(2)]
    np.testing.assert_array_equal(*again)
    with pytest.raises(ValueError, match="no finite area"):
        sample_surface(np.zeros((3, 3)), np.array([[0, 1, 2]]), 5, np.random.default_rng(0))


def test_area_volume_size_and_parts() -> None:
    sphere, ring = icosphere(5), torus(200, 100)
    assert areas(sphere.positions(), sphere.triangles()).sum() == pytest.approx(4 * np.pi, rel=2e-3)
    assert signed_volume(sphere.positions() + 100.0, sphere.triangles()) == pytest.approx(4 / 3 * np.pi, rel=3e-3)
    assert areas(ring.positions(), ring.triangles()).sum() == pytest.approx(4 * np.pi**2 * 0.35, rel=2e-3)
    assert signed_volume(ring.positions(), ring.triangles()) == pytest.approx(2 * np.pi**2 * 0.35**2, rel=2e-3)
    stray = np.concatenate([sphere.positions(), [[1e6, 0, 0]]])
    assert diagonal(stray, sphere.triangles()) == pytest.approx(12**0.5, rel=0.02)
    count, label = parts(len(stray), sphere.triangles())
    assert count == 2
    assert label[-1] != label[0]

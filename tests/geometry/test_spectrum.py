"""Eigenfunctions and distances along surfaces, against what is known of spheres and planes."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry.geodesics import Geodesics
from backend.geometry.sampling import farthest_points
from backend.geometry.spectrum import DENSE, spectrum_of
from tests.meshes import grid, icosphere, torus


@pytest.mark.parametrize("level", [2, 4])  # all eigenfunctions at once, and the first alone
def test_the_spectrum_of_a_sphere(level: int) -> None:
    mesh = icosphere(level, 3.0)
    assert (mesh.n_vertices <= DENSE) == (level == 2)
    found = spectrum_of(mesh.positions() + 100.0, mesh.triangles(), 16)
    order = np.repeat(np.arange(4), 2 * np.arange(4) + 1)
    truth = order * (order + 1) * 4.0 * np.pi  # of a sphere of area 1
    np.testing.assert_allclose(found.values, truth, rtol=0.1 if level == 2 else 0.01, atol=1e-6)
    gram = found.functions.T @ (found.masses[:, None] * found.functions)
    np.testing.assert_allclose(gram, np.eye(16), atol=1e-8)


def test_a_spectrum_needs_neither_a_manifold_nor_good_triangles() -> None:
    mesh = torus()
    faces = np.concatenate([mesh.triangles(), mesh.triangles()[:3], [[0, 50, 100], [7, 7, 8]]])
    found = spectrum_of(mesh.positions(), faces, 10)
    plain = spectrum_of(mesh.positions(), mesh.triangles(), 10)
    np.testing.assert_allclose(found.values[1:4], plain.values[1:4], rtol=0.2)


def test_a_function_of_the_first_waves_comes_back() -> None:
    mesh = icosphere(3)
    shape = spectrum_of(mesh.positions(), mesh.triangles(), 9)
    smooth = shape.functions @ shape.coefficients(shape.positions)
    np.testing.assert_allclose(smooth, shape.positions, atol=0.005)


def test_distances_along_a_sphere_and_a_plane() -> None:
    ball = icosphere(4)
    positions = ball.positions()
    found = Geodesics(positions, ball.triangles()).from_vertices([0])[0]
    truth = np.arccos(np.clip(positions @ positions[0], -1.0, 1.0))
    far = truth > 0.1
    assert np.abs(found[far] / truth[far] - 1.0).max() < 0.05
    flat = grid(9)
    found = Geodesics(flat.positions(), flat.triangles()).from_vertices([40])[0]
    truth = np.linalg.norm(flat.positions() - flat.positions()[40], axis=1)
    assert (found >= truth - 1e-9).all()
    assert (found <= 1.09 * truth + 1e-9).all()  # straight, diagonal and a half ways of squares


def test_other_parts_are_infinitely_far() -> None:
    ball = icosphere(1)
    twice = np.concatenate([ball.positions(), ball.positions() + 5.0])
    faces = np.concatenate([ball.triangles(), ball.triangles() + ball.n_vertices])
    found = Geodesics(twice, faces).from_vertices([0])[0]
    assert np.isfinite(found[: ball.n_vertices]).all()
    assert np.isinf(found[ball.n_vertices :]).all()


def test_farthest_points_are_spread() -> None:
    points = np.random.default_rng(0).uniform(0, 1, (500, 2))
    chosen = points[farthest_points(points, 30)]
    apart = np.linalg.norm(chosen[:, None] - chosen, axis=2) + 9.0 * np.eye(30)
    to_chosen = np.linalg.norm(points[:, None] - chosen, axis=2).min(axis=1)
    assert apart.min() >= to_chosen.max()
    assert len(farthest_points(points[:5], 30)) == 5

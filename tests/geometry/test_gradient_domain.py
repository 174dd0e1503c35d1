"""The gradient operator and the path between poses, against motions known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry.gradient_domain import GradientDomain, GradientDomainPath, polar
from backend.geometry.triangles import parts
from tests.meshes import icosphere, rotation, torus


def domain_of(mesh):
    return GradientDomain(mesh.positions(), mesh.triangles().astype(np.int64))


def test_gradients_of_a_linear_map_are_that_map_in_the_plane():
    domain = domain_of(torus(20, 10))
    turn = rotation([0.3, 1.0, -0.2], 40.0)
    gradients = domain.gradients(2.0 * domain.positions @ turn.T + 5.0)
    a, b, c = (domain.positions[domain.triangles[:, k]] for k in range(3))
    for edge in (b - a, c - a):
        np.testing.assert_allclose(np.einsum("tij,tj->ti", gradients, edge), 2.0 * edge @ turn.T, atol=1e-12)


def test_polar_gives_rotations_even_for_reflections():
    matrices = np.random.default_rng(0).normal(size=(200, 3, 3))
    rotations, stretches = polar(matrices)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0, atol=1e-12)
    np.testing.assert_allclose(rotations @ rotations.transpose(0, 2, 1), np.tile(np.eye(3), (200, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(rotations @ stretches, matrices, atol=1e-10)
    np.testing.assert_allclose(stretches, stretches.transpose(0, 2, 1), atol=1e-10)


def test_poisson_system_inverts_the_gradient():
    domain = domain_of(icosphere(3))
    bent = domain.positions + 0.2 * np.sin(3 * domain.positions[:, [1, 2, 0]])
    in_plane = (domain.gradient @ bent).reshape(-1, 3, 3).transpose(0, 2, 1)
    pinned = np.zeros(len(bent))
    pinned[0] = 1.0
    np.testing.assert_allclose(domain.system(pinned).solve(in_plane, bent), bent, atol=1e-9)


@pytest.mark.parametrize("angle", [10.0, 90.0, 150.0])
def test_a_turn_is_interpolated_as_a_turn(angle):
    mesh = torus(20, 10)
    domain, axis = domain_of(mesh), [0.0, 0.6, 0.8]
    end = domain.positions @ rotation(axis, angle).T
    path = GradientDomainPath(domain, end)
    for t in (0.25, 0.5, 0.8):
        np.testing.assert_allclose(path.positions(t), domain.positions @ rotation(axis, t * angle).T, atol=1e-6)


def test_both_ends_are_exact_and_parts_move_apart_from_each_other():
    ball = icosphere(2)
    positions = np.concatenate([ball.positions(), ball.positions() + 3.0])
    triangles = np.concatenate([ball.triangles(), ball.triangles() + ball.n_vertices]).astype(np.int64)
    end = positions.copy()
    end[ball.n_vertices :] += np.array([0.0, 5.0, 0.0])
    path = GradientDomainPath(GradientDomain(positions, triangles), end)
    assert np.array_equal(path.positions(0.0), positions)
    assert np.array_equal(path.positions(1.0), end)
    np.testing.assert_allclose(path.positions(0.5), (positions + end) / 2, atol=1e-6)
    assert parts(len(positions), triangles)[1].max() == 1


def test_a_triangle_without_area_does_no_harm():
    mesh = icosphere(2)
    positions, triangles = mesh.positions(), mesh.triangles().astype(np.int64)
    flat = np.concatenate([triangles, [[0, 1, 1]]])
    end = positions @ rotation([0.0, 0.0, 1.0], 60.0).T
    halfway = GradientDomainPath(GradientDomain(positions, flat), end).positions(0.5)
    np.testing.assert_allclose(halfway, positions @ rotation([0.0, 0.0, 1.0], 30.0).T, atol=1e-3)

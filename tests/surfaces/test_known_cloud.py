"""Distances that a cloud tells, against the surface that it was taken from."""

from __future__ import annotations

import numpy as np
import pytest

from backend.surfaces.known_cloud import KnownCloud
from backend.training.run import Run
from protocol.mesh import MeshError
from tests.geometry.test_orientation import fibonacci, ring


def to_ring(points: np.ndarray) -> np.ndarray:
    """Exact signed distance [N] to the torus of ``ring``."""
    return np.hypot(np.hypot(points[:, 0], points[:, 1]) - 1.0, points[:, 2]) - 0.3


def around(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.uniform([-1.5, -1.5, -0.5], [1.5, 1.5, 0.5], (n, 3))


@pytest.mark.parametrize("given", [True, False])
def test_a_ring(given: bool) -> None:
    rng = np.random.default_rng(0)
    points, normals = ring(8000, rng)
    cloud = KnownCloud(points, normals if given else None, Run())
    assert cloud.signed
    assert not cloud.exact
    assert cloud.estimated is not given
    assert len(cloud.said) == (0 if given else 1)
    asked = around(rng, 4000)
    wanted, found = to_ring(asked), cloud.distances(asked)
    assert ((found < 0.0) == (wanted < 0.0)).mean() > 0.998
    clear = np.abs(wanted) > 0.05
    assert ((found < 0.0) == (wanted < 0.0))[clear].all()
    assert np.abs(found - wanted)[clear].max() < 0.04  # where chance left a gap, two spacings wide
    assert np.median(np.abs(found - wanted)) < 2e-3


def test_normals_that_point_inwards_are_turned_and_that_is_said() -> None:
    rng = np.random.default_rng(1)
    points, normals = ring(4000, rng)
    cloud = KnownCloud(points, -normals, Run())
    assert "inwards" in " ".join(cloud.said)
    np.testing.assert_allclose(cloud.normals, normals)
    asked = around(rng, 500)
    assert ((cloud.distances(asked) < 0.0) == (to_ring(asked) < 0.0)).mean() > 0.98


def test_across_a_hole_the_distance_falls_to_zero() -> None:
    ball = fibonacci(6000)
    cloud = KnownCloud(ball[ball[:, 2] < 0.8], None, Run())
    assert cloud.signed
    height = np.linspace(0.0, 1.5, 200)
    along = cloud.distances(np.column_stack([np.zeros(200), np.zeros(200), height]))
    assert along[0] < -0.5
    assert along[-1] > 0.2
    assert (np.diff(np.sign(along)) != 0).sum() == 1  # one surface closes the hole
    assert 0.5 < height[np.argmax(along > 0.0)] < 1.0
    assert np.abs(np.diff(along)).max() < 2.0 * height[1]  # without a jump


def test_a_curve_in_the_plane() -> None:
    turn = np.linspace(0.0, 2.0 * np.pi, 600, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    cloud = KnownCloud(circle, None, Run())
    asked = np.random.default_rng(2).uniform(-1.5, 1.5, (2000, 2))
    wanted = np.linalg.norm(asked, axis=1) - 1.0
    assert cloud.signed
    np.testing.assert_allclose(cloud.distances(asked), wanted, atol=0.01)


def test_a_sheet_has_no_inside_and_its_distance_no_sign() -> None:
    rng = np.random.default_rng(4)
    flat = rng.uniform(-1.0, 1.0, (3000, 2))
    sheet = np.column_stack([flat, 0.1 * flat[:, 0] ** 2])
    cloud = KnownCloud(sheet, np.tile([0.0, 0.0, 1.0], (3000, 1)), Run())
    assert not cloud.signed
    assert "bounds nothing" in cloud.said[-1]
    assert cloud.distances(np.array([[0.0, 0.0, -0.4], [0.0, 0.0, 0.4]])) == pytest.approx([0.4, 0.4], abs=0.02)
    assert cloud.on_surface(10, rng)[1] is None


def test_without_inside_all_distances_are_positive() -> None:
    points, normals = ring(3000, np.random.default_rng(5))
    unsigned = KnownCloud(points, normals, Run()).without_inside()
    assert not unsigned.signed
    assert (unsigned.distances(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])) > 0.2).all()


def test_points_are_drawn_evenly_whatever_their_density() -> None:
    ball = fibonacci(4000)
    upper = ball[ball[:, 2] > 0.0]
    rng = np.random.default_rng(6)
    twice = np.concatenate([ball, upper + rng.normal(0.0, 1e-3, upper.shape)])
    drawn, normals = KnownCloud(twice, None, Run()).on_surface(20_000, rng)
    assert (drawn[:, 2] > 0.0).mean() == pytest.approx(0.5, abs=0.1)
    assert normals is not None
    assert ((drawn * normals).sum(axis=1) > 0.9).mean() > 0.99


def test_a_normal_without_direction_is_an_error_that_names_it() -> None:
    points, normals = ring(300, np.random.default_rng(7))
    normals[17] = 0.0
    with pytest.raises(MeshError, match="point 17"):
        KnownCloud(points, normals, Run())

"""What is known of curves: distances against brute force and formulas, signs of loops in loops, points on curves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.geometry.paths import joined
from backend.geometry.shape import Shape
from backend.surfaces.extraction import known_shape
from backend.surfaces.known_polyline import KnownPolyline
from backend.training.run import Run
from protocol.mesh import MeshError

TURN = np.linspace(0.0, 2.0 * np.pi, 401)
RNG = np.random.default_rng(2)


def ring(radius: float, points: int = 400) -> NDArray[np.float64]:
    turn = np.linspace(0.0, 2.0 * np.pi, points + 1)
    found = radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    found[-1] = found[0]
    return found


def curve(*paths: NDArray[np.float64]) -> KnownPolyline:
    return KnownPolyline(*joined(paths))


def to_segments(points: NDArray[np.float64], path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance [N] to a path [K, D], every segment looked at."""
    a, along = path[:-1], np.diff(path, axis=0)
    t = np.clip(((points[:, None] - a) * along).sum(-1) / (along * along).sum(-1), 0.0, 1.0)
    return np.asarray(np.linalg.norm(points[:, None] - a - t[..., None] * along, axis=-1).min(axis=1))


@pytest.mark.parametrize("dimension", [2, 3])
def test_distances_of_a_wild_path(dimension: int) -> None:
    path = RNG.normal(size=(80, dimension)).cumsum(axis=0) / 8.0
    known = curve(path)
    points = RNG.normal(size=(2000, dimension))
    assert known.dimension == dimension
    if dimension == 2:
        known = known.without_inside()
    assert not known.signed
    np.testing.assert_allclose(known.distances(points), to_segments(points, path), atol=1e-12)


def test_a_ring_with_a_hole_has_the_signed_distances_of_both_circles() -> None:
    known = curve(ring(0.9), ring(0.4)[::-1], ring(0.2))
    points = RNG.uniform(-1.2, 1.2, (4000, 2))
    r = np.linalg.norm(points, axis=1)
    wanted = np.where(r > 0.3, np.maximum(r - 0.9, 0.4 - r), r - 0.2)
    assert known.signed
    assert known.exact
    assert known.said == ()
    np.testing.assert_allclose(known.distances(points), wanted, atol=1e-4)


def test_points_of_a_curve_are_uniform_by_length_and_their_normals_point_out() -> None:
    square = np.array([[0.0, 0], [2, 0], [2, 1], [0, 1], [0, 0]])
    hole = np.array([[0.5, 0.4], [1.5, 0.4], [1.5, 0.6], [0.5, 0.6], [0.5, 0.4]])
    known = curve(square, hole)
    points, normals = known.on_surface(8000, np.random.default_rng(1))
    assert normals is not None
    assert np.abs(known.distances(points)).max() < 1e-12
    assert (known.distances(points + 1e-3 * normals) > 0.0).all()
    assert (known.distances(points - 1e-3 * normals) < 0.0).all()
    assert (points[:, 1] == 0.0).mean() == pytest.approx(2 / 8.4, abs=0.02)
    assert (np.abs(points[:, 1] - 0.5) < 0.11).mean() == pytest.approx((2.4 + 2 * 0.2) / 8.4, abs=0.03)


def test_open_curves_and_curves_in_space_have_no_inside() -> None:
    for path in (ring(0.9)[:250], np.pad(ring(0.9), ((0, 0), (0, 1)))):
        known = curve(path)
        assert not known.signed
        assert known.without_inside() is known
        points, normals = known.on_surface(50, RNG)
        assert normals is None
        assert np.abs(known.distances(points)).max() < 1e-12
        assert (known.distances(RNG.normal(size=(100, path.shape[1]))) > 0.0).all()


def test_curves_that_cross_are_one_outline() -> None:
    known = curve(ring(0.6) - [0.3, 0], ring(0.6) - [-0.3, 0])
    points = RNG.uniform(-1, 1, (3000, 2))
    left, right = (np.linalg.norm(points - [-x, 0], axis=1) - 0.6 for x in (0.3, -0.3))
    assert (np.sign(known.distances(points)) == np.sign(np.minimum(left, right)))[
        np.abs(np.minimum(left, right)) > 1e-3
    ].all()
    outside = (left > 0) & (right > 0)
    np.testing.assert_allclose(known.distances(points)[outside], np.minimum(left, right)[outside], atol=1e-4)


def test_a_little_that_is_open_is_left_out_and_much_is_not() -> None:
    little = curve(ring(0.9), np.array([[0.0, 0.0], [0.3, 0.0]]))
    assert little.signed
    assert "left out" in little.said[0]
    assert little.distances(np.zeros((1, 2)))[0] == pytest.approx(-0.9, abs=1e-3)
    assert little.without_inside().distances(np.array([[0.1, 0.0]]))[0] < 1e-15
    much = curve(ring(0.3), np.array([[0.5, 0.5], [0.5, -0.5], [-0.5, -0.5]]))
    assert not much.signed
    assert "closed" in much.said[0]


def test_a_gap_is_closed() -> None:
    known = curve(ring(0.9)[:390])
    assert known.signed
    assert "closed by a straight line" in known.said[0]
    assert known.distances(np.zeros((1, 2)))[0] < -0.8
    assert known.without_inside().on_surface(2000, RNG)[0].max() < 0.9


def test_lines_without_a_length_are_refused() -> None:
    with pytest.raises(MeshError, match="in one place"):
        known_shape(Shape(np.ones((3, 3)), segments=np.array([[0, 1], [1, 2]])), Run())

"""A surface that changes is the one of the full grid each time, at a small part of its cost, and has no ghosts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.geometry.isosurface import grid_over
from backend.geometry.tracked_surface import TrackedSurface
from backend.geometry.triangles import parts
from tests.geometry.test_isosurface import BOX, assert_closed, assert_same_surface, full_grid

Float = NDArray[np.float64]
Function = Callable[[Float], Float]

GRID = grid_over(*BOX, 64)
NODES = 65**3


def ball(centre: list[float], radius: float) -> Function:
    return lambda points: np.linalg.norm(points - centre, axis=1) - radius


def union(first: Function, second: Function) -> Function:
    return lambda points: np.minimum(first(points), second(points))


def on_the_way(t: float) -> Function:
    """From a sphere to a torus, which moves meanwhile."""

    def values(points: Float) -> Float:
        p = points - [0.15 * t, 0.1 * np.sin(3 * t), -0.1 * t]
        sphere = np.linalg.norm(p, axis=1) - 0.55
        torus = np.hypot(np.hypot(p[:, 0], p[:, 1]) - 0.5, p[:, 2]) - 0.2
        return (1 - t) * sphere + t * torus

    return values


def test_from_a_sphere_to_a_torus_it_is_the_mesh_of_the_full_grid() -> None:
    tracked = TrackedSurface(GRID, refresh=12)
    euler, whole = [], []
    for k in range(33):
        values = on_the_way(k / 32)
        before = tracked.evaluations
        positions, triangles = tracked.extract(values)
        asked = tracked.evaluations - before
        assert parts(len(positions), triangles)[0] == 1
        euler.append(len(positions) - len(triangles) // 2)
        if asked >= NODES:
            whole.append(k)
        else:
            assert 8 * asked <= NODES
        if k % 4 == 0 or asked >= NODES:
            assert_same_surface((positions, triangles), full_grid(values, GRID, slope=1.0))
            assert_closed(positions, triangles)
    assert (euler[0], euler[-1]) == (2, 0)
    assert whole == [0, 12, 24]
    assert_same_surface(tracked.whole(values), (positions, triangles))


@pytest.mark.parametrize("step", [0.05, 0.2, 0.6])
def test_it_follows_however_far_a_part_moves(step: float) -> None:
    """Even apart from where it was, as long as the whole way that is empty now is looked at."""
    tracked = TrackedSurface(GRID)
    tracked.extract(ball([-0.3, 0.0, 0.0], 0.4))
    values = ball([step - 0.3, 0.1, 0.0], 0.4)
    found = tracked.extract(values)
    assert tracked.evaluations < 1.5 * NODES
    assert_same_surface(found, full_grid(values, GRID, slope=1.0))


def test_a_part_that_goes_leaves_nothing_and_one_that_comes_is_found_at_the_refresh() -> None:
    stays, other = ball([-0.4, 0.0, 0.0], 0.3), ball([0.5, 0.0, 0.0], 0.2)
    tracked = TrackedSurface(GRID, refresh=3)
    assert_same_surface(tracked.extract(union(stays, other)), full_grid(union(stays, other), GRID, slope=1.0))
    gone = full_grid(stays, GRID, slope=1.0)
    assert_same_surface(tracked.extract(stays), gone)
    assert tracked.evaluations > 2 * NODES  # a part less: the whole grid was looked at
    both = union(stays, other)
    assert_same_surface(tracked.extract(both), gone)
    assert_same_surface(tracked.extract(both), gone)
    assert_same_surface(tracked.extract(both), full_grid(both, GRID, slope=1.0))


def test_a_surface_that_is_lost_is_looked_for_everywhere() -> None:
    tracked = TrackedSurface(GRID)
    assert len(tracked.extract(ball([0.0, 0.0, 0.0], -1.0))[1]) == 0
    first, second = ball([-0.5, 0.0, 0.0], 0.2), ball([0.5, 0.0, 0.0], 0.2)
    for values in (first, second):
        assert_same_surface(tracked.extract(values), full_grid(values, GRID, slope=1.0))


def test_what_leaves_the_grid_is_cut_and_closed() -> None:
    tracked = TrackedSurface(GRID)
    for x in (0.3, 0.6, 0.9, 0.7):
        values = ball([x, 0.2, 0.0], 0.5)
        found = tracked.extract(values)
        assert_same_surface(found, full_grid(values, GRID, slope=1.0))
        assert_closed(*found)


def test_after_a_failure_it_begins_again() -> None:
    """The function fails when half of the corners have been seen from the new place."""
    tracked = TrackedSurface(GRID)
    tracked.extract(ball([0.0, 0.0, 0.0], 0.4))
    calls = []

    def failing(points: Float) -> Float:
        calls.append(len(points))
        return np.full(len(points), -1.0 if len(calls) < 3 else np.nan)

    with pytest.raises(ValueError, match="the field is nan at"):
        tracked.extract(failing)
    assert len(calls) == 3
    values = ball([0.1, 0.0, 0.0], 0.4)
    assert_same_surface(tracked.extract(values), full_grid(values, GRID, slope=1.0))

"""Levels of fields as surfaces and curves: where they are, how many parts they have, and what finding them costs."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import find_contours

from backend.geometry.distance import nearest_distances
from backend.geometry.isosurface import Grid
from backend.geometry.metrics import topology
from backend.geometry.triangles import signed_volume
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.contour import contours, contours_at
from backend.surfaces.queries.isosurface import isosurface, isosurfaces
from backend.surfaces.queries.lattice import lattice_for
from protocol.settings import SettingError
from tests.geometry.test_isosurface import assert_closed, assert_same_surface, full_grid
from tests.surfaces.analytic import balls, ring
from tests.surfaces.test_far_values import sine_field

LEVELS = [-0.2, 0.0, 0.3, 1.0]
DISCS = ((0.0, 0.0, 1.0), (3.0, 0.0, 0.5), (0.0, 2.5, 0.3))


def area(loop: np.ndarray) -> float:
    """Of a closed loop [K, 2]; positive where it goes counter-clockwise."""
    x, y = loop.T
    return float(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2


def of(field: DistanceField) -> int:
    """How many points the field was evaluated at until now."""
    return int(field.network.asked)  # type: ignore[arg-type]


def test_the_levels_of_a_torus_are_tori() -> None:
    field = ring()
    for level, (positions, triangles) in zip(LEVELS, isosurfaces(field, LEVELS, 64), strict=True):
        assert_closed(positions, triangles)
        facts = topology(len(positions), triangles)
        assert (facts["closed"], facts["components"], facts["genus"]) == (True, 1, 1)
        assert np.abs(field.values(positions) - level).max() < 0.05 * 5.4 / 64
        assert signed_volume(positions, triangles) == pytest.approx(2 * np.pi**2 * 2.0 * (0.7 + level) ** 2, rel=0.01)


def test_passing_over_blocks_is_exact_and_cheap() -> None:
    """With a bounded field the surface is that of marching every cell."""
    for resolution, most in ((32, 0.55), (128, 0.16)):
        field = ring()
        lattice = lattice_for(field, [0.1], resolution)
        before = of(field)
        narrow = isosurface(field, 0.1, resolution)
        spent = of(field) - before
        x, y, z = (int(count) for count in lattice.counts)
        grid = Grid(lattice.low, lattice.cell, (x, y, z))
        assert_same_surface(narrow, full_grid(lambda points, f=field: f.values(points) - 0.1, grid, slope=1.0))
        assert spent < most * np.prod(lattice.counts + 1)


def test_a_network_without_a_bound_is_asked_how_steep_it_is() -> None:
    """Then nothing is missed either, however wild it is."""
    field = sine_field().measured()
    points = np.random.default_rng(1).uniform(field.low, field.high, (20_000, 3))
    steepest = np.linalg.norm(field.values_and_gradients(points)[1], axis=1).max()
    assert steepest < field.slope < 1.6 * steepest
    for level in (0.0, 0.05, -0.05):
        lattice = lattice_for(field, [level], 32)
        x, y, z = (int(count) for count in lattice.counts)
        grid = Grid(lattice.low, lattice.cell, (x, y, z))
        every = full_grid(lambda points, below=level: field.values(points) - below, grid, slope=field.slope)
        found = isosurface(field, level, 32)
        assert (len(found[0]), len(found[1])) == (len(every[0]), len(every[1]))
        assert max(off.max() for off in nearest_distances(found[0], every[0])) < 1e-6  # batches are rounded otherwise


def test_levels_share_what_they_ask() -> None:
    field, first, second = ring(), ring(), ring()
    together = isosurfaces(field, [0.0, 0.02], 64)
    isosurface(first, 0.0, 64)
    assert_same_surface(together[1], isosurface(second, 0.02, 64))
    assert of(field) < 0.7 * (of(first) + of(second))


@pytest.mark.parametrize("steepness", [0.5, 1.0])
def test_the_box_grows_until_a_level_fits(steepness: float) -> None:
    """A field that is less than the distance has its levels farther out."""
    field = balls((0, 0, 0, 1.0), (3, 0, 0, 0.5), steepness=steepness)
    positions, triangles = isosurface(field, 0.45, 48)
    assert_closed(positions, triangles)
    assert np.abs(field.values(positions) - 0.45).max() < 0.02  # the crease between both balls is cut straight
    assert topology(len(positions), triangles)["components"] == (1 if steepness < 1.0 else 2)


def test_a_level_of_an_unsigned_field_is_a_shell() -> None:
    field = balls((0, 0, 0, 1.0), (3, 0, 0, 0.5), signed=False, level=0.1)
    positions, triangles = isosurface(field, 0.1, 64)
    assert_closed(positions, triangles)
    assert topology(len(positions), triangles)["components"] == 4  # outside and inside of both
    shell = 4 / 3 * np.pi * (1.1**3 - 0.9**3 + 0.6**3 - 0.4**3)
    assert signed_volume(positions, triangles) == pytest.approx(shell, rel=0.02)


def test_contours_are_all_loops_with_the_lower_side_on_their_left() -> None:
    field = balls(*DISCS)
    for level, loops in zip([-0.2, 0.0, 0.3], contours_at(field, [-0.2, 0.0, 0.3], 300), strict=True):
        assert len(loops) == 3
        for loop, radius in zip(loops, (1.0, 0.5, 0.3), strict=True):
            assert np.array_equal(loop[0], loop[-1])
            assert np.abs(field.values(loop) - level).max() < 3e-4
            assert area(loop) == pytest.approx(np.pi * (radius + level) ** 2, rel=6e-3)
    shell = contours(balls((0, 0, 1.0), signed=False), 0.1, 200)
    assert [area(loop) for loop in shell] == pytest.approx([np.pi * 1.1**2, -np.pi * 0.9**2], rel=2e-3)


def test_contours_are_those_of_every_cell() -> None:
    """Against marching squares of scikit-image over the full grid."""
    field = balls(*DISCS)
    lattice = lattice_for(field, [0.7], 800)
    before = of(field)
    found = contours(field, 0.7, 800)
    assert of(field) - before < 0.05 * np.prod(lattice.counts + 1)
    axes = [low + lattice.cell * np.arange(n + 1) for low, n in zip(lattice.low, lattice.counts, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    image = field.values(points.reshape(-1, 2)).reshape(points.shape[:2])
    full = [lattice.low + lattice.cell * loop for loop in find_contours(image, 0.7)]
    assert sorted(map(len, found)) == sorted(map(len, full))
    mine, theirs = (np.unique(np.concatenate(loops).round(4), axis=0) for loops in (found, full))
    off = np.concatenate(nearest_distances(mine, theirs))
    assert off.max() < 2e-3 * lattice.cell + 2e-4


def test_a_level_without_points_is_empty() -> None:
    assert len(isosurface(ring(), -0.8, 32)[1]) == 0
    assert contours(balls(*DISCS), -1.1, 64) == []


def test_what_cannot_be_asked_is_said() -> None:
    solid, flat = ring(), balls(*DISCS)
    for call, words in (
        (lambda: contours(solid, 0.0, 64), "ask for an isosurface"),
        (lambda: isosurface(flat, 0.0, 64), "ask for a contour"),
        (lambda: isosurface(solid, 0.0, 1), "resolution of 1 cells"),
        (lambda: isosurface(solid, float("nan"), 64), "not all numbers"),
        (lambda: isosurface(solid, 1e9, 64), "twice the length of the shape; choose a smaller distance"),
        (lambda: contours(flat, 1e9, 64), "a surface 1e.09 away from a shape"),
    ):
        with pytest.raises(SettingError, match=words):
            call()


def test_a_field_of_nan_is_an_error() -> None:
    solid, flat = ring(), balls(*DISCS)
    solid.network.sizes.data[0] = float("nan")  # type: ignore[union-attr, operator]
    flat.network.radii.data[0] = float("nan")  # type: ignore[union-attr, operator]
    with pytest.raises(SettingError, match="the field is nan at places; fit it again"):
        isosurface(solid, 0.0, 32)
    with pytest.raises(SettingError, match="the field is nan"):
        contours(flat, 0.0, 32)


def test_looking_can_be_stopped() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        isosurface(ring(), 0.0, 32, check=stop)

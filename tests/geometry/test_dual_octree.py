"""Finer cells where asked: closed whatever the function and the choice, nothing new elsewhere, thin things seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.geometry.dual_octree import UNITS, mended
from backend.geometry.edges import edges_of
from backend.geometry.isosurface import Grid, extract, grid_over
from backend.geometry.triangles import areas, parts, signed_volume

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Function = Callable[[Float], Float]

CELL = 1 / 16
BOX = grid_over(np.full(3, -0.5), np.full(3, 0.5), 16)


def assert_closed(triangles: Int) -> None:
    """Two faces at every edge, that agree; three different corners to every face."""
    edges = edges_of(triangles)
    assert edges.closed
    assert not edges.inconsistent.any()
    assert (np.diff(np.sort(triangles, axis=1), axis=1) > 0).all()


def ring(radius: float) -> Function:
    def values(points: Float) -> Float:
        around = np.hypot(points[:, 0] - 0.007, points[:, 1]) - 0.3
        return np.hypot(around, points[:, 2] - 0.013) - radius

    return values


def on_ring(radius: float, turn: float = 1.0) -> Float:
    """Points on the first part of the tube, at most half a cell apart."""
    angle, around = np.linspace(0.0, turn * 2 * np.pi, 200)[:, None], np.linspace(0.0, 2 * np.pi, 60)
    out = 0.3 + radius * np.cos(around)
    height = np.broadcast_to(0.013 + radius * np.sin(around), (200, 60))
    return np.stack([0.007 + out * np.cos(angle), out * np.sin(angle), height], axis=-1).reshape(-1, 3)


def two_fingers(points: Float) -> Float:
    """Two rounded bars of radius 1.2 cells, 0.6 cells apart."""
    along = points[:, 0] - np.clip(points[:, 0], -0.3, 0.3)
    bars = [np.sqrt(along**2 + (points[:, 1] - y) ** 2 + points[:, 2] ** 2) for y in (2.01 * CELL, -0.99 * CELL)]
    return np.asarray(np.minimum(*bars) - 1.2 * CELL)


def between_fingers() -> Float:
    x, z = np.meshgrid(np.arange(-0.3, 0.31, CELL / 2), np.arange(-0.5, 0.51, 0.5) * CELL)
    return np.stack([x.ravel(), np.full(x.size, 0.51 * CELL), z.ravel()], axis=1)


def two_plates(points: Float) -> Float:
    """Two plates of thickness 0.55 cells, 0.6 cells apart."""
    beyond = np.abs(points[:, None] - [[0.003, 0.0, 0.29 * CELL], [0.003, 0.0, 1.44 * CELL]]) - [
        0.3,
        0.25,
        0.275 * CELL,
    ]
    outside = np.linalg.norm(np.maximum(beyond, 0.0), axis=2)
    return np.asarray((outside + np.minimum(beyond.max(axis=2), 0.0)).min(axis=1))


def on_plates() -> Float:
    x, y, z = np.meshgrid(*[np.arange(-0.32, 0.33, CELL / 2)] * 2, np.array([0.0, 0.6, 1.15, 1.7]) * CELL)
    return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)


def noise(random: np.random.Generator, grid: Grid) -> Function:
    """Some value for every place that a leaf can have, among them many that are next to nothing."""
    sizes = UNITS * np.array(grid.counts) + 1
    table = random.choice([-1.0, 0.0, 1.0, 1e-9, -1e-12, 0.3], size=tuple(sizes))

    def values(points: Float) -> Float:
        i, j, k = np.round((points - grid.low) / (grid.cell / UNITS)).astype(int).T
        return np.asarray(table[i, j, k])

    return values


@given(st.integers(0, 2**32 - 1), st.integers(3, 7), st.sampled_from([1e-3, 100.0]))
def test_noise_with_any_leaves_cut_gives_closed_surfaces(seed: int, resolution: int, slope: float) -> None:
    random = np.random.default_rng(seed)
    shape = random.uniform(0.3, 1.0, 3)
    grid = grid_over(-shape, shape, resolution)
    finer = tuple(random.uniform(-1.2, 1.2, (random.integers(0, 30), 3)) * shape for _ in range(3))
    positions, triangles = extract(noise(random, grid), grid, slope=slope / grid.cell, finer=finer)
    assert np.isfinite(positions).all()
    if len(triangles):
        assert_closed(triangles)
        assert len(np.unique(triangles)) == len(positions)
        assert signed_volume(positions, triangles) > 0.0


def test_edges_of_four_faces_and_faces_on_their_back_are_mended() -> None:
    """Two tetrahedra with one edge in common, a face and its back, and a face without a width."""
    positions = np.array([(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 1, 0), (-1, 0, 0), (-1, -1, 0)], np.float64)
    tetrahedra = [(0, 1, 2), (1, 0, 3), (0, 2, 3), (1, 3, 2), (0, 1, 4), (1, 0, 5), (0, 4, 5), (1, 5, 4)]
    triangles = np.array([*tetrahedra, (2, 3, 4), (4, 3, 2), (5, 5, 2)])
    assert edges_of(triangles[:8]).uses.max() == 4
    mended_positions, mended_triangles = mended(positions, triangles)
    assert_closed(mended_triangles)
    assert len(mended_positions) == 8
    assert len(mended_triangles) == 12
    volume = signed_volume(positions, triangles[:8])
    assert signed_volume(mended_positions, mended_triangles) == pytest.approx(volume)


def test_no_more_levels_than_there_are() -> None:
    with pytest.raises(ValueError, match="3 times at most, not 4"):
        extract(ring(0.12), BOX, slope=1.0, finer=(np.zeros((0, 3)),) * 4)


@pytest.mark.parametrize("finer", [(), (np.zeros((0, 3)),) * 2, (np.full((4, 3), 9.0),) * 2, (np.zeros((1, 3)),)])
def test_where_no_leaf_is_cut_nothing_changes(finer: tuple[Float, ...]) -> None:
    """Points beyond the grid, and points far from the surface, cut none."""
    plain = extract(ring(0.12), BOX, slope=1.0)
    found = extract(ring(0.12), BOX, slope=1.0, finer=finer)
    np.testing.assert_array_equal(found[0], plain[0])
    np.testing.assert_array_equal(found[1], plain[1])


def test_the_surface_stays_the_same_away_from_leaves_that_are_cut() -> None:
    once, twice = np.array([[0.42, 0.0, 0.0]]), np.array([[-0.42, 0.0, 0.0]])
    positions, triangles = extract(ring(0.12), BOX, slope=1.0, finer=(once, twice))
    assert_closed(triangles)
    plain = extract(ring(0.12), BOX, slope=1.0)[0]
    far = (np.abs(positions[:, None] - np.concatenate([once, twice])) > 2 * CELL).any(axis=2).all(axis=1)
    far_plain = (np.abs(plain[:, None] - np.concatenate([once, twice])) > 2 * CELL).any(axis=2).all(axis=1)
    np.testing.assert_array_equal(np.unique(positions[far], axis=0), np.unique(plain[far_plain], axis=0))
    assert len(plain) < len(positions) < 1.5 * len(plain)


def test_a_grid_cut_everywhere_is_that_of_a_half_a_quarter_and_an_eighth_of_the_cell() -> None:
    """A sphere's volume is missed by a quarter as much with half the cell."""

    def ball(points: Float) -> Float:
        return np.linalg.norm(points - [0.003, 0.002, 0.001], axis=1) - 0.3

    grid = grid_over(BOX.low, -BOX.low, 8)
    every = np.stack(np.meshgrid(*[np.linspace(-0.37, 0.37, 48)] * 3), -1).reshape(-1, 3)
    exact = 4 / 3 * np.pi * 0.3**3
    missed = [
        exact - signed_volume(*extract(ball, grid, slope=1.0, finer=f))
        for f in ((), (every,), (every[:0], every), (every[:0], every[:0], every))
    ]
    assert missed[0] / missed[1] == pytest.approx(4.0, rel=0.15)
    assert missed[1] / missed[2] == pytest.approx(4.0, rel=0.15)
    assert missed[2] / missed[3] == pytest.approx(4.0, rel=0.15)


def test_two_fingers_with_a_narrow_gap_are_kept_apart() -> None:
    fused = extract(two_fingers, BOX, slope=1.0)
    assert parts(len(fused[0]), fused[1])[0] == 1
    apart = extract(two_fingers, BOX, slope=1.0, finer=(np.zeros((0, 3)), between_fingers()))
    assert parts(len(apart[0]), apart[1])[0] == 2
    assert_closed(apart[1])


def test_two_plates_with_a_narrow_gap_are_kept_apart() -> None:
    coarse = extract(two_plates, BOX, slope=1.0)
    assert areas(*coarse).sum() < 0.7 * 4 * 0.6 * 0.5
    apart = extract(two_plates, BOX, slope=1.0, finer=(np.zeros((0, 3)), on_plates()))
    assert parts(len(apart[0]), apart[1])[0] == 2
    assert_closed(apart[1])
    assert areas(*apart).sum() == pytest.approx(4 * 0.6 * 0.5 + 4 * 1.1 * 0.55 * CELL, rel=0.05)


def test_a_tube_thinner_than_its_cells_keeps_its_volume_and_area() -> None:
    radius = 0.7 * CELL
    positions, triangles = extract(ring(radius), BOX, slope=1.0, finer=(np.zeros((0, 3)), on_ring(radius)))
    assert_closed(triangles)
    assert signed_volume(positions, triangles) == pytest.approx(2 * np.pi**2 * 0.3 * radius**2, rel=0.03)
    assert areas(positions, triangles).sum() == pytest.approx(4 * np.pi**2 * 0.3 * radius, rel=0.03)
    coarse = extract(ring(radius), BOX, slope=1.0)
    assert signed_volume(*coarse) < 0.9 * 2 * np.pi**2 * 0.3 * radius**2


def test_cost_grows_by_the_part_that_is_cut() -> None:
    def asked(finer: tuple[Float, ...]) -> int:
        calls: list[int] = []

        def counted(points: Float) -> Float:
            calls.append(len(points))
            return ring(0.12)(points)

        extract(counted, grid_over(BOX.low, -BOX.low, 64), slope=1.0, finer=finer)
        return sum(calls)

    plain = asked(())
    part = on_ring(0.12, 0.05)
    assert asked((part,)) < 1.5 * plain
    assert asked((part[:0], part)) < 2.5 * plain

"""The zero level in a narrow band: what the full grid gives, closed whatever the function does, and cheap."""

from __future__ import annotations

from collections.abc import Callable

import igl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.geometry.edges import edges_of
from backend.geometry.isosurface import (
    CLEARANCE,
    CORNERS,
    Grid,
    extract,
    grid_over,
    largest_part,
    without_fragments,
)
from backend.geometry.triangles import areas, parts, signed_volume
from tests.meshes import icosphere, torus

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Function = Callable[[Float], Float]


def full_grid(values: Function, grid: Grid, *, slope: float) -> tuple[Float, Int]:
    """The slow twin: every node is evaluated, every cell is looked at."""
    n = np.array(grid.counts) + 1
    nodes = np.stack(np.meshgrid(*[np.arange(k) for k in n], indexing="ij"), -1).reshape(-1, 3)
    points = grid.low + grid.cell * nodes
    field = values(points)
    least = CLEARANCE * grid.cell * slope
    field = np.where(field < 0.0, np.minimum(field, -least), np.maximum(field, least))
    rim = ((nodes == 0) | (nodes == n - 1)).any(axis=1)
    field[rim] = np.maximum(field[rim], least)
    cells = nodes[(nodes < n - 1).all(axis=1)]
    corners = (cells[:, None] + CORNERS) @ np.array([n[1] * n[2], n[2], 1])
    positions, triangles, _ = igl.marching_cubes(field, points, corners, 0.0)
    return np.asarray(positions), np.asarray(triangles, np.int64)


def assert_same_surface(first: tuple[Float, Int], second: tuple[Float, Int]) -> None:
    """Bit for bit the same vertices and triangles, in whatever order."""
    assert len(first[0]) == len(second[0])
    for positions, _ in (first, second):
        assert len(np.unique(positions, axis=0)) == len(positions)
    np.testing.assert_array_equal(*(np.unique(positions, axis=0) for positions, _ in (first, second)))
    np.testing.assert_array_equal(*(_triangles(*mesh) for mesh in (first, second)))


def _triangles(positions: Float, triangles: Int) -> Float:
    """Triangles [T, 9] by the places of their corners, the lowest first, sorted."""
    rank = np.unique(positions, axis=0, return_inverse=True)[1].reshape(-1)
    corners = rank[triangles]
    turned = np.take_along_axis(corners, (corners.argmin(axis=1)[:, None] + np.arange(3)) % 3, axis=1)
    return np.asarray(turned[np.lexsort(turned.T)])


def assert_closed(positions: Float, triangles: Int) -> None:
    """Every edge has two faces that agree, nothing is degenerate, and the normals point outwards."""
    edges = edges_of(triangles)
    assert edges.closed
    assert not edges.inconsistent.any()
    assert (areas(positions, triangles) > 0.0).all()
    assert len(np.unique(positions.astype(np.float32), axis=0)) == len(positions)
    assert signed_volume(positions, triangles) > 0.0


def sphere(points: Float) -> Float:
    return np.linalg.norm(points - [0.03, -0.02, 0.01], axis=1) - 0.7


def ring(points: Float) -> Float:
    around = np.hypot(points[:, 0], points[:, 1]) - 0.6
    return np.hypot(around, points[:, 2] - 0.013) - 0.17


def two_spheres(points: Float) -> Float:
    first = np.linalg.norm(points - [0.5, 0.1, 0.2], axis=1) - 0.3
    second = np.linalg.norm(points - [-0.6, -0.3, -0.1], axis=1) - 0.05
    return np.minimum(first, second)


def thin_plate(points: Float) -> Float:
    beyond = np.abs(points - 0.011) - [0.8, 0.6, 0.02]
    outside = np.linalg.norm(np.maximum(beyond, 0.0), axis=1)
    return outside + np.minimum(beyond.max(axis=1), 0.0)


def waves(points: Float) -> Float:
    """A sum of sine waves; by the triangle inequality its slope is at most the sum of theirs."""
    random = np.random.default_rng(5)
    total = np.full(len(points), 0.1)
    for direction, phase in zip(_wave_directions(), random.uniform(0.0, 6.0, 12), strict=True):
        total += np.sin(points[:, 0] * direction[0] + points[:, 1] * direction[1] + points[:, 2] * direction[2] + phase)
    return total / 12


def _wave_directions() -> Float:
    return np.random.default_rng(4).normal(size=(12, 3)) * 3.0


WAVE_SLOPE = float(np.linalg.norm(_wave_directions(), axis=1).sum() / 12)
SHAPES: dict[str, tuple[Function, float]] = {
    "sphere": (sphere, 1.0),
    "ring": (ring, 1.0),
    "two spheres": (two_spheres, 1.0),
    "thin plate": (thin_plate, 1.0),
    "waves": (waves, WAVE_SLOPE),
}
BOX = np.full(3, -1.0), np.full(3, 1.0)


@pytest.mark.parametrize("resolution", [5, 16, 37, 64])
@pytest.mark.parametrize("name", SHAPES)
def test_the_band_gives_what_the_full_grid_gives(name: str, resolution: int) -> None:
    values, slope = SHAPES[name]
    grid = grid_over(*BOX, resolution)
    found = extract(values, grid, slope=slope)
    assert_same_surface(found, full_grid(values, grid, slope=slope))
    assert len(found[1]) or resolution < 64


@pytest.mark.parametrize("name", SHAPES)
def test_boxes_of_any_shape_cut_what_sticks_out(name: str) -> None:
    values, slope = SHAPES[name]
    grid = grid_over(np.array([-1.0, -0.31, -0.17]), np.array([1.0, 0.42, 0.6]), 50)
    found = extract(values, grid, slope=slope)
    assert_same_surface(found, full_grid(values, grid, slope=slope))
    assert_closed(*found)


def test_a_sphere_has_its_radius_volume_and_side() -> None:
    positions, triangles = extract(sphere, grid_over(*BOX, 64), slope=1.0)
    np.testing.assert_allclose(sphere(positions), 0.0, atol=1e-3)
    assert signed_volume(positions, triangles) == pytest.approx(4 / 3 * np.pi * 0.7**3, rel=2e-3)
    assert_closed(positions, triangles)


def test_all_parts_are_found_and_kept() -> None:
    positions, triangles = extract(two_spheres, grid_over(*BOX, 128), slope=1.0)
    assert parts(len(positions), triangles)[0] == 2
    assert_closed(positions, triangles)


@pytest.mark.parametrize("slope", [0.02, 0.2, 0.5])
@pytest.mark.parametrize("name", SHAPES)
def test_a_slope_that_is_too_small_leaves_no_open_border(name: str, slope: float) -> None:
    positions, triangles = extract(SHAPES[name][0], grid_over(*BOX, 40), slope=slope)
    if len(triangles):
        assert_closed(positions, triangles)


@pytest.mark.parametrize(("name", "slope"), [("sphere", 0.02), ("ring", 0.5), ("thin plate", 0.7)])
def test_what_a_small_slope_finds_of_a_part_is_the_whole_part(name: str, slope: float) -> None:
    grid = grid_over(*BOX, 40)
    values, _ = SHAPES[name]
    assert_same_surface(extract(values, grid, slope=slope), full_grid(values, grid, slope=slope))


@given(st.integers(0, 2**32 - 1), st.integers(2, 13), st.sampled_from([1e-3, 1.0, 100.0]))
def test_noise_gives_closed_surfaces(seed: int, resolution: int, slope: float) -> None:
    random = np.random.default_rng(seed)
    shape = random.uniform(0.2, 1.0, 3)
    grid = grid_over(-shape, shape, resolution)
    table = random.choice([-1.0, 0.0, 1.0, 1e-9, -1e-12, 0.3], size=(resolution + 1,) * 3)

    def noise(points: Float) -> Float:
        i, j, k = np.round((points - grid.low) / grid.cell).astype(int).T
        return np.asarray(table[i, j, k])

    positions, triangles = extract(noise, grid, slope=slope)
    if len(triangles):
        edges = edges_of(triangles)
        assert edges.closed
        assert not edges.inconsistent.any()
        assert signed_volume(positions, triangles) > 0.0
        assert_same_surface(
            extract(noise, grid, slope=100.0 / grid.cell), full_grid(noise, grid, slope=100.0 / grid.cell)
        )


def test_planes_through_the_nodes_give_no_degenerate_faces() -> None:
    def cube(points: Float) -> Float:
        return np.asarray(np.abs(points).max(axis=1) - 0.5)

    grid = grid_over(*BOX, 32)
    positions, triangles = extract(cube, grid, slope=1.0)
    assert_closed(positions, triangles)
    assert signed_volume(positions, triangles) == pytest.approx(1.0, rel=0.03)
    assert_same_surface((positions, triangles), full_grid(cube, grid, slope=1.0))


def test_what_is_inside_everywhere_ends_at_the_box() -> None:
    positions, triangles = extract(lambda points: np.full(len(points), -3.0), grid_over(*BOX, 20), slope=1.0)
    assert_closed(positions, triangles)
    assert signed_volume(positions, triangles) == pytest.approx(8.0, rel=0.02)


def test_nothing_inside_gives_an_empty_mesh() -> None:
    positions, triangles = extract(lambda points: np.ones(len(points)), grid_over(*BOX, 20), slope=1.0)
    assert positions.shape == (0, 3)
    assert triangles.shape == (0, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_named_with_their_place(bad: float) -> None:
    def broken(points: Float) -> Float:
        return np.where(points[:, 0] > 0.5, bad, sphere(points))

    with pytest.raises(ValueError, match=rf"the field is {bad} at \(0\.[5-9]"):
        extract(broken, grid_over(*BOX, 32), slope=1.0)


def test_cost_grows_with_the_surface() -> None:
    for values in (sphere, ring):
        costs = []
        for resolution in (64, 128, 256):
            calls: list[int] = []

            def counted(points: Float, calls: list[int] = calls, values: Function = values) -> Float:
                calls.append(len(points))
                return values(points)

            positions, triangles = extract(counted, grid_over(*BOX, resolution), slope=1.0)
            assert max(calls) <= 65_536
            cells = areas(positions, triangles).sum() * (resolution / 2) ** 2  # of the size of one cell's side
            assert sum(calls) < 6.0 * cells
            costs.append(sum(calls))
        assert costs[1] < 4.5 * costs[0]
        assert costs[2] < 4.5 * costs[1]


def test_no_point_is_asked_for_twice() -> None:
    asked: list[Float] = []

    def recorded(points: Float) -> Float:
        asked.append(points)
        return ring(points)

    extract(recorded, grid_over(*BOX, 48), slope=1.0)
    points = np.concatenate(asked)
    assert len(np.unique(points, axis=0)) == len(points)


def test_fragments_go_and_real_parts_stay() -> None:
    large, small, speck = icosphere(3), torus(24, 12, 0.2, 0.08), icosphere(1, 0.01)
    meshes = [(m.positions() + 3.0 * k, m.triangles().astype(np.int64)) for k, m in enumerate((large, small, speck))]
    starts = np.cumsum([0] + [len(p) for p, _ in meshes])
    positions = np.concatenate([p for p, _ in meshes])
    triangles = np.concatenate([f + start for (_, f), start in zip(meshes, starts, strict=False)])
    kept, faces = without_fragments(positions, triangles, 0.01)
    np.testing.assert_array_equal(kept, positions[: starts[2]])
    assert len(faces) == len(large.triangles()) + len(small.triangles())
    assert_closed(kept, faces)
    assert parts(len(kept), faces)[0] == 2
    everything = without_fragments(positions, triangles, 0.0)
    np.testing.assert_array_equal(everything[0], positions)
    np.testing.assert_array_equal(everything[1], triangles)


def test_an_empty_mesh_has_no_fragments() -> None:
    positions, triangles = without_fragments(np.zeros((0, 3)), np.zeros((0, 3), np.int64), 0.01)
    assert not len(positions)
    assert not len(triangles)


def test_the_largest_part_is_what_is_left_when_asked_for() -> None:
    def two(points: np.ndarray) -> np.ndarray:
        near = np.linalg.norm(points - [-1.0, 0.0, 0.0], axis=1) - 0.6
        return np.minimum(near, np.linalg.norm(points - [1.0, 0.0, 0.0], axis=1) - 0.5)

    positions, triangles = extract(two, grid_over(np.full(3, -2.0), np.full(3, 2.0), 32), slope=1.0)
    assert parts(len(positions), triangles)[0] == 2
    kept, faces = largest_part(positions, triangles)
    assert parts(len(kept), faces)[0] == 1
    assert kept[:, 0].max() < 0.0
    assert len(largest_part(np.zeros((0, 3)), np.zeros((0, 3), np.int64))[1]) == 0

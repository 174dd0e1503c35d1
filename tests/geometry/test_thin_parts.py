"""Thin places: found on plates, in gaps and along creases, not elsewhere; they ride; there are only so many."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.geometry.isosurface import extract, grid_over
from backend.geometry.metrics import topology
from backend.geometry.sides import sides_of
from backend.geometry.signed_distance import SignedSurface
from backend.geometry.thin_parts import CREASE, DEPTHS, PIECES, thin_places
from backend.geometry.triangles import areas, parts
from tests.meshes import grid as grid_mesh
from tests.meshes import icosphere, torus

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Mesh = tuple[Float, Int]

CELL = 1 / 32


def block(low: tuple[float, float, float], high: tuple[float, float, float]) -> Mesh:
    """A box of twelve triangles."""
    corners = np.array([[(low, high)[k >> axis & 1][axis] for axis in range(3)] for k in range(8)])
    quads = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    return corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])


def joined(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0] + [len(positions) for positions, _ in meshes])
    return (
        np.concatenate([positions for positions, _ in meshes]),
        np.concatenate([faces + start for (_, faces), start in zip(meshes, starts, strict=False)]),
    )


def found(mesh: Mesh, cell: float = CELL) -> list[Float]:
    return [places.at(mesh[0]) for places in thin_places(*mesh, sides_of(*mesh), cell)]


@pytest.mark.parametrize("mesh", [icosphere(3, 0.6), torus(64, 32, 0.5, 0.2)])
def test_smooth_and_thick_shapes_have_none(mesh: object) -> None:
    positions, triangles = mesh.positions(), mesh.triangles().astype(np.int64)  # type: ignore[attr-defined]
    assert [len(points) for points in found((positions, triangles))] == [0, 0, 0]


def test_the_edges_of_a_block_want_cells_of_a_half() -> None:
    points = found(block((0, 0, 0), (0.9, 0.8, 0.7)))
    assert not len(points[1]) + len(points[2])
    assert len(points[0])
    far = np.minimum(np.abs(points[0]), np.abs(points[0] - [0.9, 0.8, 0.7]))
    assert (np.sort(far, axis=1)[:, 1] < CREASE * DEPTHS[0] * CELL).all()


@pytest.mark.parametrize(("cells", "level"), [(1.2, 0), (0.6, 1), (0.3, 2)])
def test_a_thin_wall_and_a_narrow_gap_are_found_with_their_thickness(cells: float, level: int) -> None:
    width = cells * CELL
    wall = joined(block((0, 0, 0), (0.2, 0.2, width)), block((-2, -2, -2), (-1, -1, -1)))
    gap = joined(
        block((0, 0, 0), (0.2, 0.2, 0.4)), block((0, 0, 0.4 + width), (0.2, 0.2, 0.8)), block((1, 1, 1), (2, 2, 2))
    )
    for mesh, heights in ((wall, (0.0, width)), (gap, (0.4, 0.4 + width))):
        points = found(mesh)
        for height in heights:
            on = points[level][np.isclose(points[level][:, 2], height)][:, :2]
            inside = np.random.default_rng(1).uniform(0.0, 0.2, (200, 2))
            apart = np.linalg.norm(inside[:, None] - on, axis=2).min(axis=1)
            assert apart.max() < PIECES[level] * CELL
        for finer in points[level + 1 :]:
            assert not len(finer)


def test_places_ride_on_the_surface() -> None:
    mesh = block((0, 0, 0), (0.6, 0.6, 0.6 * CELL))
    places = thin_places(*mesh, sides_of(*mesh), CELL)[0]
    turn = np.array([[0.0, -2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    np.testing.assert_allclose(places.at(mesh[0] @ turn.T + 3.0), places.at(mesh[0]) @ turn.T + 3.0)


def test_only_a_share_of_the_surface_is_taken_the_thinnest_first() -> None:
    thin, thinner = block((0, 0, 0), (0.5, 0.5, 0.3 * CELL)), block((0, 0, 0.5), (0.1, 0.1, 0.5 + 0.1 * CELL))
    mesh = joined(thin, thinner)
    few = found(mesh)[2]
    lower, upper = few[few[:, 2] < 0.4], few[few[:, 2] > 0.4]
    assert 0 < len(lower) / 0.5 < 0.7 * len(upper) / 0.02  # points an area
    upper_alone = found(joined(thinner, block((0, 0, -0.9), (0.5, 0.5, 0))))[2]
    assert len(upper) == len(upper_alone)


def test_turned_and_buried_faces_are_told_from_the_others() -> None:
    """Normals inwards mean no other sides; walls inside of the shape bound nothing, however near they are."""
    positions, triangles = block((0, 0, 0), (0.9, 0.8, 0.7))
    plain = found((positions, triangles))
    assert [len(p) for p in found((positions, triangles[:, ::-1]))] == pytest.approx([len(p) for p in plain], rel=0.05)
    inner = joined((positions, triangles), block((0.3, 0.3, 0.3), (0.6, 0.6, 0.3 + 0.3 * CELL)))
    assert [len(p) for p in found(inner)] == [len(p) for p in plain]


@pytest.mark.parametrize("resolution", [8, 16, 24, 48, 128])
@pytest.mark.parametrize("turn", [0.0, 0.6])
def test_a_sheet_is_one_whole_shell_at_any_resolution(resolution: int, turn: float) -> None:
    mesh = grid_mesh(9)
    c, s = np.cos(turn), np.sin(turn)
    positions = mesh.positions() @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    sheet = positions, mesh.triangles().astype(np.int64)
    sides = sides_of(*sheet)
    room = 0.02 * np.ptp(positions, axis=0).max()
    cells = grid_over(positions.min(axis=0) - room, positions.max(axis=0) + room, resolution)
    finer = [places.at(positions) for places in thin_places(*sheet, sides, cells.cell)]
    assert any(len(points) for points in finer) == (resolution < 128)
    surface = SignedSurface(*sheet, sides)
    frame = extract(surface, cells.with_room(), slope=surface.slope, finer=tuple(finer))
    found = topology(len(frame[0]), frame[1])
    assert (found["closed"], found["components"], found["genus"]) == (True, 1, 0)
    rim = 4 * np.pi * sides.thickness / 2
    assert areas(*frame).sum() == pytest.approx(2.0 + rim, rel=0.05)


def test_sheets_that_would_want_too_many_cells_have_larger_ones() -> None:
    mesh = grid_mesh(9)
    sheet = mesh.positions(), mesh.triangles().astype(np.int64)
    sides = sides_of(*sheet, 1e-5)
    assert [len(places.corners) > 0 for places in thin_places(*sheet, sides, 1 / 200)] == [False, True, False]
    assert not any(len(places.corners) for places in thin_places(*sheet, sides, 1 / 800))


def test_bars_side_by_side_keep_their_area_and_stay_apart() -> None:
    grid = grid_over(np.full(3, -0.1), np.full(3, 0.9), 32)
    bars = [block((0, 1.3 * k * CELL, 0), (0.8, (1.3 * k + 1) * CELL, CELL)) for k in range(4)]
    mesh = joined(*bars, block((0, 0.4, 0), (0.8, 0.8, 0.6)))
    surface = SignedSurface(*mesh)
    exact = areas(*mesh).sum()
    plain = extract(surface, grid, slope=1.0)
    finer = extract(surface, grid, slope=1.0, finer=tuple(found(mesh, grid.cell)))
    assert parts(len(plain[0]), plain[1])[0] < 5
    assert parts(len(finer[0]), finer[1])[0] == 5
    assert areas(*finer).sum() == pytest.approx(exact, rel=0.03)
    assert exact - areas(*finer).sum() < 0.4 * (exact - areas(*plain).sum())

"""What drawings enclose: noding, winding numbers and outlines, against areas and a plain winding number."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.geometry.noding import noded
from backend.geometry.outline import Outline, outline_of
from backend.geometry.paths import joined
from backend.geometry.plane_winding import PlaneWinding
from backend.geometry.slabs import Slabs

TURN = np.linspace(0.0, 2.0 * np.pi, 201)


def circle(x: float, y: float, radius: float, backwards: bool = False) -> NDArray[np.float64]:
    found = np.stack([x + radius * np.cos(TURN), y + radius * np.sin(TURN)], axis=1)
    found[-1] = found[0]
    return found[::-1] if backwards else found


def square(low: float, high: float) -> NDArray[np.float64]:
    return np.array([[low, low], [high, low], [high, high], [low, high], [low, low]])


def outline(*paths: NDArray[np.float64]) -> Outline:
    return outline_of(*joined(paths))


def area(found: Outline) -> float:
    a, b = found.points[found.segments[:, 0]], found.points[found.segments[:, 1]]
    return float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2)


def plain_winding(points: NDArray[np.float64], loop: NDArray[np.float64]) -> NDArray[np.int64]:
    """The sum of the angles under which a closed loop's segments are seen."""
    away = loop[None] - points[:, None]
    angle = np.arctan2(away[..., 1], away[..., 0])
    turn = np.diff(angle, axis=1)
    return np.round(((turn + np.pi) % (2.0 * np.pi) - np.pi).sum(axis=1) / (2.0 * np.pi)).astype(np.int64)


def test_winding_numbers_are_those_of_the_angles() -> None:
    rng = np.random.default_rng(0)
    loop = rng.normal(size=(60, 2))  # crosses itself many times
    loop[10:20, 1] = loop[10, 1]  # some of it level
    loop = np.concatenate([loop, loop[:1]])
    points = rng.normal(size=(5000, 2))
    points[:10] = loop[:10] - [1e-3, 0.0]  # on the height of corners, just beside them
    points[10] = [loop[10:20, 0].min() - 1e-3, loop[10, 1]]
    segments = np.stack([np.arange(60), np.arange(1, 61)], axis=1)
    found = PlaneWinding(loop, segments)(points)
    np.testing.assert_array_equal(found, plain_winding(points, loop))
    assert len(np.unique(found)) > 5


def test_slabs_find_every_interval_around_a_number_and_over_each_other() -> None:
    rng = np.random.default_rng(1)
    low = rng.random(300)
    high = low + rng.random(300) ** 4
    slabs = Slabs(low, high)
    asked = rng.uniform(-0.5, 2.5, 200)
    which, interval = slabs.around(asked)
    wanted = (low[None] <= asked[:, None]) & (asked[:, None] <= high[None])
    found = np.zeros_like(wanted)
    found[which, interval] = True
    assert not (wanted & ~found).any()
    i, j = slabs.together()
    both = np.zeros((300, 300), bool)
    both[i, j] = True
    overlap = (low[None] <= high[:, None]) & (low[:, None] <= high[None])
    assert not (np.triu(overlap, 1) & ~both).any()
    assert (i < j).all()


def test_crossing_and_touching_lines_are_cut_where_they_do() -> None:
    points = np.array([[0.0, 0], [4, 0], [2, -1], [2, 1], [1, 0], [1, 3], [3, 0], [6, 0]])
    found, segments = noded(points, np.array([[0, 1], [2, 3], [4, 5], [6, 7]]))
    places = {tuple(np.round(point, 9)) for point in found[np.unique(segments)].tolist()}
    assert places == {(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (6, 0), (2, -1), (2, 1), (1, 3)}
    lengths = np.linalg.norm(found[segments[:, 1]] - found[segments[:, 0]], axis=1)
    assert lengths.sum() == pytest.approx(6 + 2 + 3)  # the overlap of the first and the last counts once


@pytest.mark.parametrize(
    ("paths", "wanted", "figures", "holes"),
    [
        ([circle(0, 0, 1)], np.pi, 1, 0),
        ([circle(0, 0, 1, True)], np.pi, 1, 0),  # whichever way it runs
        ([circle(0, 0, 2), circle(0, 0, 1)], 3 * np.pi, 2, 1),
        ([circle(0, 0, 1, True), circle(0, 0, 2)], 3 * np.pi, 2, 1),
        ([circle(0, 0, 3), circle(0, 0, 2), circle(0, 0, 1)], 6 * np.pi, 3, 1),
        ([circle(0, 0, 1), circle(5, 0, 1)], 2 * np.pi, 2, 0),
        ([square(0, 2), square(1, 3)], 7.0, 1, 0),  # overlaps are merged
        ([square(0, 2), square(0, 2)[::-1]], 4.0, 1, 0),  # drawn twice
        ([square(0, 2), np.array([[1.0, 0], [1, 2]])], 4.0, 1, 0),  # a line across
        ([square(0, 2), np.array([[2.0, 1], [5, 1], [5, 2]])], 4.0, 1, 0),  # a line hanging on
        ([np.stack([np.sin(TURN), np.sin(2 * TURN)], axis=1)], 8 / 3, 1, 0),  # a figure of eight
        ([np.array([[0.0, 0], [4, 0], [4, 4], [0, 4], [0, 0.5]])], 16.0, 1, 0),  # ends near its start
    ],
)
def test_areas(paths: list[NDArray[np.float64]], wanted: float, figures: int, holes: int) -> None:
    found = outline(*paths)
    assert area(found) == pytest.approx(wanted, rel=1e-3)
    assert (found.figures, found.holes) == (figures, holes)
    assert found.enclosing == 1.0


def test_open_lines_enclose_nothing() -> None:
    found = outline(circle(0, 0, 1)[:120], np.array([[3.0, 0], [4, 0], [4, 5]]))
    assert (found.enclosing, len(found.segments), found.figures) == (0.0, 0, 0)


def test_the_share_of_open_lines() -> None:
    found = outline(square(0, 1), np.array([[3.0, 0], [4, 0]]))
    assert found.enclosing == pytest.approx(0.8)
    assert area(found) == pytest.approx(1.0)


def test_outlines_have_their_inside_on_the_left() -> None:
    found = outline(circle(0, 0, 2), circle(0.3, 0, 1, True), circle(0.3, 0, 0.5))
    a, b = found.points[found.segments[:, 0]], found.points[found.segments[:, 1]]
    left = 1e-3 * np.stack([a[:, 1] - b[:, 1], b[:, 0] - a[:, 0]], axis=1)
    left /= np.linalg.norm(b - a, axis=1, keepdims=True)
    winding = PlaneWinding(found.points, found.segments)
    assert (winding((a + b) / 2 + left) == 1).all()
    assert (winding((a + b) / 2 - left) == 0).all()

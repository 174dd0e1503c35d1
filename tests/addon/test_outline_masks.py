"""The parts of "Match This Outline" that need no Blender, loaded by their files: the add-on itself imports bpy."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.rendering.raster import mask_of, spans_of

OUTLINE = Path(__file__).resolve().parents[2] / "addon" / "outline"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"outline_{name}", OUTLINE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


raster, loops = load("raster"), load("loops")


def circle(x: float, y: float, radius: float, count: int = 200) -> np.ndarray:
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def test_a_disc_has_its_area_and_its_place() -> None:
    mask = raster.loops_mask([circle(70.3, 40.6, 30.0)], 128, 96)
    assert mask.sum() == pytest.approx(np.pi * 900, rel=0.005)
    rows, columns = np.nonzero(mask)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((70.3, 40.6), abs=0.05)
    fine = raster.averaged(raster.loops_mask([2 * circle(70.3, 40.6, 30.0)], 256, 192), 128, 96)
    assert fine.sum() == pytest.approx(np.pi * 900, rel=0.002)
    assert raster.iou(mask, fine) > 0.98


def test_a_pixel_is_covered_where_its_middle_is() -> None:
    assert raster.loops_mask([box(2.5, 1.0, 5.5, 3.0)], 8, 4).tolist() == [
        [row in (1, 2) and column in (2, 3, 4) for column in range(8)] for row in range(4)
    ]


def test_lines_beyond_the_image() -> None:
    assert raster.loops_mask([box(-1e9, -1e9, 1e9, 1e9)], 9, 5).all()
    assert not raster.loops_mask([box(-30, -30, -10, 90), box(20, -5, 50, 50)], 9, 5).any()
    assert raster.loops_mask([box(-3, 2, 4, 70)], 9, 5).sum() == 3 * 4


def test_lines_within_lines_are_holes_and_lines_that_cross_are_one_area() -> None:
    outer, hole, island = circle(50, 50, 40), circle(50, 50, 25)[::-1], circle(50, 50, 10)
    ring = raster.loops_mask([hole, island, outer], 100, 100)
    assert ring.sum() == pytest.approx(np.pi * (1600 - 625 + 100), rel=0.01)
    left, right = circle(40, 50, 20), circle(60, 50, 20)
    both = raster.loops_mask([left, right[::-1]], 100, 100)
    assert np.array_equal(both, raster.loops_mask([left], 100, 100) | raster.loops_mask([right], 100, 100))


@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
def test_triangles_cover_what_the_backends_renderer_says(seed: int, count: int) -> None:
    corners = np.random.default_rng(seed).uniform(-20, 60, (count, 3, 2))
    spans = spans_of(torch.from_numpy(corners), torch.zeros(count, dtype=torch.int64), 40, 30)
    wanted = mask_of(spans, 1, 40, 30)[0].numpy()
    assert np.array_equal(raster.triangles_mask(corners, 40, 30), wanted)


def test_neighbouring_triangles_leave_no_gap() -> None:
    rng = np.random.default_rng(0)
    points = np.stack(np.meshgrid(np.linspace(-5, 105, 23), np.linspace(-5, 105, 23), indexing="ij"), axis=-1)
    points[1:-1, 1:-1] += rng.uniform(-1.5, 1.5, (21, 21, 2))
    a, b, c, d = points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]
    corners = np.concatenate([np.stack(three, axis=2).reshape(-1, 3, 2) for three in ((a, b, c), (c, a, d))])
    assert raster.triangles_mask(corners, 100, 100).all()


def test_averages_keep_the_sum_at_any_size() -> None:
    image = np.random.default_rng(1).uniform(0, 1, (50, 81))
    for size in ((81, 50), (40, 25), (33, 17)):
        small = raster.averaged(image, *size)
        assert small.shape == size[::-1]
        assert small.mean() == pytest.approx(image.mean())
    assert raster.averaged(image, 27, 25)[3, 4] == pytest.approx(image[6:8, 12:15].mean())


def test_strokes_that_end_where_others_begin_are_one_line() -> None:
    whole = circle(50, 50, 30, 120)
    strokes = [(whole[:45], False), (whole[80:], False), (whole[44:81][::-1], False)]
    (line,) = loops.closed_lines(strokes)
    assert raster.loops_mask([line], 100, 100).sum() == pytest.approx(np.pi * 900, rel=0.01)
    nearly = whole[:117]  # its ends are near enough
    apart = circle(200, 50, 10)
    assert len(loops.closed_lines([(nearly, False), (apart, True)])) == 2
    assert loops.closed_lines([(whole[:1], True), (whole[:2], False)]) == []


def test_edges_become_runs() -> None:
    ring = np.array([[3, 1], [0, 3], [1, 2], [2, 0]])
    ((run, closed),) = loops.chains(ring)
    assert closed
    assert sorted(run.tolist()) == [0, 1, 2, 3]
    path = np.array([[5, 4], [6, 5], [7, 6]])
    ((run, closed),) = loops.chains(path)
    assert not closed
    assert run.tolist() in ([4, 5, 6, 7], [7, 6, 5, 4])
    fork = np.array([[0, 1], [1, 2], [1, 3]])
    assert sorted(len(run) for run, _ in loops.chains(fork)) == [2, 2, 2]
    assert len(loops.chains(np.concatenate([ring, path]))) == 2

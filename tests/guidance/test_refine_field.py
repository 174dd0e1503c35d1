"""Frames with faces of their own, matched to outlines that may ask for another topology."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.geometry.edges import edges_of
from backend.geometry.isosurface import grid_over
from backend.geometry.triangles import parts
from backend.guidance.added_fit import AddedFit, known_near
from backend.guidance.guided_morph import GuidedMorph
from backend.guidance.layer import Layer
from backend.guidance.objective import Objective
from backend.guidance.refine import Refined, RefineSettings, refine
from backend.guidance.view import View, close_up, covered
from backend.methods.field_morph import FieldMorph
from backend.training.run import Cancelled, Run
from protocol.mesh import MeshData
from protocol.settings import SettingError
from tests.guidance.conftest import WIDE, ball, camera, ellipse, growing_field, ring, same
from tests.meshes import torus

SETTINGS = RefineSettings(steps=20, resolution=32, side=96)


def euler(frame: MeshData) -> int:
    """Characteristic of a closed mesh: 2 for a ball, 0 with one hole."""
    triangles = frame.triangles()
    assert edges_of(triangles).closed
    return frame.n_vertices - len(triangles) // 2


def pieces(frame: MeshData) -> int:
    return parts(frame.n_vertices, frame.triangles())[0]


@pytest.fixture(scope="module")
def base() -> FieldMorph:
    return growing_field()


@pytest.fixture(scope="module")
def bent(base: FieldMorph) -> Refined:
    """The ball of radius 1 as an ellipse that reaches beyond the box of its field."""
    return refine(base, 0.5, [ellipse(1.5, 0.7)], SETTINGS, Run())


@pytest.fixture(scope="module")
def opened(base: FieldMorph) -> Refined:
    """The ball of radius 1 with a hole of radius 0.4."""
    return refine(base, 0.5, [ring(1.0, 0.4)], SETTINGS, Run())


def test_the_frame_becomes_the_ellipse(bent: Refined) -> None:
    frame = bent.morph.frame(0.5)
    assert bent.report["views"][0]["iou"] >= 0.97
    assert np.abs(frame.positions()).max(axis=0)[:2] == pytest.approx([1.5, 0.7], abs=0.05)
    assert (euler(frame), pieces(frame)) == (2, 1)


def test_a_hole_opens_and_its_neighbours_stay_whole(opened: Refined) -> None:
    frame = opened.morph.frame(0.5)
    assert opened.report["views"][0]["iou"] >= 0.97
    assert (euler(frame), pieces(frame)) == (0, 1)
    for t in (0.1, 0.3, 0.45, 0.55, 0.8):
        near = opened.morph.frame(t)
        assert pieces(near) == 1
        assert euler(near) in (0, 2)


def test_a_hole_closes() -> None:
    ringed = growing_field(torus(24, 12))
    assert euler(ringed.frame(0.3)) == 0
    closed = refine(ringed, 0.3, [ellipse(1.2, 1.2)], SETTINGS, Run())
    assert closed.report["views"][0]["iou"] >= 0.97
    assert euler(closed.morph.frame(0.3)) == 2


def test_the_ends_are_those_of_before(base: FieldMorph, bent: Refined, opened: Refined) -> None:
    for refined in (bent, opened):
        for t in (0.0, 1.0):
            assert same(refined.morph, base, t)


def test_the_slope_bounds_the_field_in_its_box(opened: Refined) -> None:
    assert isinstance(opened.morph, GuidedMorph)
    field = opened.morph.whole.field
    rng = np.random.default_rng(0)
    for t in (0.2, 0.5):
        points = rng.uniform(*field.box(t), (5000, 3))
        steps = 1e-4 * np.eye(3)
        gradients = [(field.values(points + step, t) - field.values(points - step, t)) / 2e-4 for step in steps]
        assert np.linalg.norm(gradients, axis=0).max() <= 1.001 * field.slope_at(t) <= 1.001 * field.slope


def test_the_change_fades_smoothly(base: FieldMorph, bent: Refined) -> None:
    """The half axis along x over time has no jump: the added part goes as the weight of the layer."""
    times = np.linspace(0.0, 1.0, 13)
    added = [np.abs(bent.morph.frame(t).positions()[:, 0]).max() - (0.8 + 0.4 * t) for t in times]
    assert np.argmax(added) in (5, 6, 7)
    assert np.abs(np.diff(added, 2)).max() < 0.5 * 6.0 / 0.5**2 * 2.0 * (times[1] - times[0]) ** 2


def test_what_rides_along_follows(bent: Refined) -> None:
    tip = bent.morph.carry(np.array([[0.8, 0.0, 0.0], [0.0, 0.8, 0.0]]), 0.5)
    assert abs(tip[0, 0] / 0.8 - 1.5) < 0.15
    assert tip[1, 1] / 0.8 < 0.85


def test_a_second_match_keeps_the_first(bent: Refined) -> None:
    second = refine(bent.morph, 0.75, [ellipse(0.9, 1.2)], SETTINGS, Run())
    assert second.report["views"][0]["iou"] >= 0.97
    assert same(second.morph, bent.morph, 0.5)
    assert same(second.morph, bent.morph, 0.3)


def test_layers_come_back_from_their_states(base: FieldMorph, opened: Refined) -> None:
    assert isinstance(opened.morph, GuidedMorph)
    again = GuidedMorph(base, [Layer.restored(*layer.state()) for layer in opened.morph.layers])
    assert same(again, opened.morph, 0.5)
    assert same(again.at_resolution(24), opened.morph.at_resolution(24), 0.4)


def test_a_shape_beside_its_mask_is_moved_there(base: FieldMorph) -> None:
    run = Run()
    found = refine(base, 0.5, [ellipse(1.0, 1.0, at=(2.3, 0.0), focal=WIDE)], SETTINGS, run)
    assert found.report["views"] == [{"iou_before": 0.0, "iou": pytest.approx(1.0, abs=0.03)}]
    assert found.after.positions().mean(axis=0) == pytest.approx([2.3, 0.0, 0.0], abs=0.05)
    assert "the whole shape was moved there" in run.warnings[0]
    ridden = found.morph.carry(np.array([[0.8, 0.0, 0.0]]), 0.5)
    assert ridden[0] == pytest.approx([3.1, 0.0, 0.0], abs=0.1)
    for t in (0.0, 1.0):
        assert same(found.morph, base, t)


def test_a_mask_of_another_size_beside_the_shape_is_told(base: FieldMorph) -> None:
    with pytest.raises(SettingError, match="check that camera and mask are of this frame"):
        refine(base, 0.5, [ellipse(0.05, 0.05, at=(1.3, 1.3))], RefineSettings(2, 24, 48), Run())


def test_it_is_cancelled_while_a_frame_is_extracted(base: FieldMorph) -> None:
    told: list[tuple[str, int]] = []
    run = Run(
        on_progress=lambda phase, step, *rest: told.append((phase, step)), cancelled=lambda: ("looking", 2) in told
    )
    with pytest.raises(Cancelled):
        refine(base, 0.5, [ellipse(1.5, 0.7)], SETTINGS, run)
    assert told[-1] == ("looking", 2)


def test_it_is_cancelled_between_the_steps(base: FieldMorph) -> None:
    """While what was moved is turned round and the field is looked up anew, of which each takes seconds."""
    looks: list[int] = []

    def told(phase: str, step: int, total: int, loss: float | None, left: float | None) -> None:
        if phase == "matching the outline" and loss is None and step > 0:
            looks.append(step)

    morph, view, settings = base.at_resolution(16), ellipse(1.5, 0.7), RefineSettings(2, 16, 48)
    refine(morph, 0.5, [view], settings, Run(on_progress=told))
    every = len(looks)
    assert len(set(looks)) == 1 < every
    looks.clear()
    with pytest.raises(Cancelled):
        refine(morph, 0.5, [view], settings, Run(on_progress=told, cancelled=lambda: len(looks) == every - 1))


def test_a_frame_that_matches_already_is_left_as_it_is(base: FieldMorph) -> None:
    frame = base.frame(0.5)
    seen = covered(frame.positions(), frame.triangles().astype(np.int64), camera())
    kept = refine(base, 0.5, [View(seen.astype(np.float32), camera())], replace(SETTINGS, steps=3), Run())
    assert kept.report["views"] == [{"iou_before": 1.0, "iou": 1.0}]
    assert kept.morph is base


@pytest.fixture(scope="module")
def fit() -> tuple[AddedFit, View, Objective]:
    view = ellipse(1.15, 0.95, at=(0.1, 0.0))
    grid = grid_over(np.full(3, -1.6), np.full(3, 1.6), 40)
    close = close_up(view, ball().positions(), 128)

    def values(points: np.ndarray) -> np.ndarray:
        return 1.7 * (np.linalg.norm(points, axis=1) - 1.0)  # 1.7: not a distance

    return AddedFit(values, grid, [view], [close], Run().device), view, Objective([close])


def test_the_gradient_of_what_is_added_is_that_of_differences(fit: tuple[AddedFit, View, Objective]) -> None:
    """Along smooth directions, whole surfaces moved at once: marching cubes itself is no smooth function."""
    added, _, objective = fit
    nodes = added.lattice.nodes()
    for direction in (np.ones(len(nodes)), nodes[:, 0], nodes[:, 1] ** 2):
        step = 0.04 / np.abs(direction).max()
        ahead, behind = (added.evaluated(sign * step * direction, objective)[0] for sign in (1.0, -1.0))
        expected = (ahead - behind) / (2.0 * step)
        _, gradient, _, _ = added.evaluated(0.0 * direction, objective)
        assert float(gradient @ direction) == pytest.approx(expected, rel=0.05)


def test_the_field_is_exact_near_its_surface() -> None:
    grid = grid_over(np.full(3, -1.5), np.full(3, 1.5), 30)
    nodes = np.stack(np.meshgrid(*[grid.low[0] + grid.cell * np.arange(31)] * 3, indexing="ij"), -1)

    def distance(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points, axis=-1) - 1.0

    found, truth = known_near(distance, grid), distance(nodes)
    near = np.abs(truth) < 3.0 * grid.cell
    np.testing.assert_array_equal(found[near], truth[near])
    assert np.abs(found - truth).max() < 2.0 * grid.cell
    assert (np.sign(found) == np.sign(truth)).all()

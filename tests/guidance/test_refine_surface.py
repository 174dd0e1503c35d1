"""Frames with the source's own faces, matched to ellipses: what comes out is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.checkpoint import morph_from_bytes, morph_to_bytes, refined_to_bytes
from backend.geometry.edges import edges_of
from backend.guidance.guided_morph import GuidedMorph
from backend.guidance.refine import Refined, RefineSettings, refine
from backend.guidance.stretch import WEIGHT, Stretch
from backend.guidance.view import covered, iou
from backend.guidance.warp import STEEPEST
from backend.guidance.warp_fit import steepness
from backend.methods.method import Morph
from backend.pipeline import bake
from backend.rendering.camera import Camera
from backend.timeline import times_of
from backend.training.run import Cancelled, Run
from protocol.messages import Timeline
from protocol.settings import SettingError
from tests.guidance.conftest import SIDE, WIDE, View, ball, camera, ellipse, pixels, ring, same

TIMES = np.linspace(0.0, 1.0, 41).tolist()


@pytest.fixture(scope="module")
def matched(grown) -> Refined:
    """The frame of radius 1 as an ellipsoid with half axes 1.3, 0.8 and 1.1, from three sides."""
    views = [ellipse(1.3, 0.8), ellipse(0.8, 1.1, axis=0), ellipse(1.1, 1.3, axis=1)]
    return refine(grown[0].morph, 0.5, views, RefineSettings(), Run())


def agreement(morph: Morph, t: float, view: View) -> float:
    frame = morph.frame(t)
    return iou(view.mask >= 0.5, covered(frame.positions(), frame.triangles().astype(np.int64), view.camera))


def extents(morph: Morph, t: float) -> np.ndarray:
    return np.abs(morph.frame(t).positions()).max(axis=0)


def test_the_cameras_see_the_axes_that_the_masks_name() -> None:
    for axis, right, up in ((2, 0, 1), (0, 1, 2), (1, 2, 0)):
        points = np.zeros((2, 3))
        points[0, right] = points[1, up] = 1.0
        one = camera(axis)
        x, y, depth = (points @ one.world_to_camera[0, :3, :3].T + one.world_to_camera[0, :3, 3]).T
        assert (x[0], -y[1]) == pytest.approx((1.0, 1.0))
        assert depth == pytest.approx(12.0)


def test_the_frame_becomes_the_ellipsoid(grown, matched: Refined) -> None:
    assert extents(grown[0].morph, 0.5) == pytest.approx([1.0, 1.0, 1.0], abs=0.01)
    assert extents(matched.morph, 0.5) == pytest.approx([1.3, 0.8, 1.1], abs=0.04)
    assert min(view["iou"] for view in matched.report["views"]) >= 0.98
    assert max(view["iou_before"] for view in matched.report["views"]) < 0.85
    assert matched.report["warnings"] == []


def test_the_ends_are_those_of_before(grown, matched: Refined) -> None:
    assert same(matched.morph, grown[0].morph, 0.0)
    assert same(matched.morph, grown[0].morph, 1.0)
    assert not same(matched.morph, grown[0].morph, 0.9)


def test_neighbours_follow_smoothly(grown, matched: Refined) -> None:
    """What is added goes as the weight of the layer does, so its second difference is bounded by that one's."""
    after, before = (
        np.stack([frame.positions() for frame in m.frames(TIMES)]) for m in (matched.morph, grown[0].morph)
    )
    added = after - before
    largest = np.linalg.norm(added, axis=2).max()
    bend = np.linalg.norm(np.diff(added, 2, axis=0), axis=2).max()
    assert bend <= 1.15 * largest * 6.0 / 0.5**2 * (TIMES[1] - TIMES[0]) ** 2
    assert 20 <= np.linalg.norm(added, axis=2).argmax() // added.shape[1] <= 22  # the ball grows meanwhile


def test_what_rides_along_follows(matched: Refined) -> None:
    start = matched.morph.source.positions()
    for t in (0.3, 0.5):
        np.testing.assert_allclose(matched.morph.carry(start, t), matched.morph.frame(t).positions(), atol=2e-3)


def test_the_file_has_the_same_frames(grown, matched: Refined) -> None:
    trained, request = grown
    _, facts = morph_from_bytes(morph_to_bytes(trained, request))
    data = refined_to_bytes(matched.morph, facts)
    again, kept = morph_from_bytes(data)
    assert kept["method"] == "linear"
    timeline = Timeline(6)
    for one, two in zip(bake(matched.morph, timeline), bake(again, timeline), strict=True):
        assert one.mesh.vertices.tobytes() == two.mesh.vertices.tobytes()
    assert refined_to_bytes(again, kept) == data


def test_a_second_match_keeps_the_first(matched: Refined) -> None:
    narrow = ellipse(0.7, 1.4)
    second = refine(matched.morph, 0.75, [narrow], RefineSettings(), Run())
    assert second.report["start"] == 0.5
    assert second.report["views"][0]["iou"] >= 0.97
    assert same(second.morph, matched.morph, 0.5)
    assert same(second.morph, matched.morph, 0.4)
    again = refine(second.morph, 0.5, [ellipse(1.0, 1.0)], RefineSettings(reach=0.5), Run())
    assert (again.report["start"], again.report["end"]) == (0.25, 0.625)
    assert again.report["views"][0]["iou"] >= 0.97
    assert agreement(again.morph, 0.75, narrow) == second.report["views"][0]["iou"]


def test_a_mask_far_off_still_pulls(grown) -> None:
    away = ellipse(0.6, 0.6, at=(0.9, 0.7))
    found = refine(grown[0].morph, 0.5, [away], RefineSettings(), Run())
    assert found.report["views"][0]["iou_before"] < 0.15
    assert found.report["views"][0]["iou"] >= 0.97


@pytest.mark.parametrize("gap", [0.02, 0.5, 1.5])  # of half the shape's width
def test_a_shape_beside_its_mask_is_moved_there(grown, gap: float) -> None:
    run, at = Run(), 2.0 + gap
    found = refine(grown[0].morph, 0.5, [ellipse(1.1, 0.9, at=(at, 0.0), focal=WIDE)], RefineSettings(), run)
    assert found.report["views"][0]["iou_before"] == 0.0
    assert found.report["views"][0]["iou"] >= 0.97
    assert found.after.positions().mean(axis=0) == pytest.approx([at, 0.0, 0.0], abs=0.05)
    assert np.ptp(found.after.positions(), axis=0) == pytest.approx([2.2, 1.8, 2.0], abs=0.25)
    assert "the whole shape was moved there" in run.warnings[0]
    for t in (0.0, 1.0):
        assert same(found.morph, grown[0].morph, t)


def test_two_masks_beside_the_shape_say_where_in_space_it_is(grown) -> None:
    views = [ellipse(0.9, 0.9, at=(2.1, 0.4), focal=WIDE), ellipse(0.9, 0.9, at=(0.4, 2.3), axis=0, focal=WIDE)]
    found = refine(grown[0].morph, 0.5, views, RefineSettings(), Run())
    assert min(view["iou"] for view in found.report["views"]) >= 0.97
    assert found.after.positions().mean(axis=0) == pytest.approx(
        [1.73, 0.34, 1.97], abs=0.05
    )  # nearer to both cameras than the origin


@pytest.mark.parametrize(
    ("views", "words"),
    [
        ([ellipse(0.9, 0.9, at=(-4.0, 0.0), focal=WIDE)], r"far beside the shape, 1\.1 times its size away; check"),
        ([ellipse(0.3, 0.3, at=(-1.5, 1.5), focal=WIDE)], "moved there the two agree by"),
        (
            [ellipse(0.9, 0.9, at=(2.2, 0.0), focal=WIDE), ellipse(0.9, 0.9, at=(0.0, -2.2), axis=1, focal=WIDE)],
            "outline 1 of 2 lies beside the shape, and moved there where the others are",
        ),
    ],
)
def test_masks_that_are_not_of_the_frame_are_told_before_anything_starts(grown, views: list[View], words: str) -> None:
    run = Run()
    with pytest.raises(SettingError, match=words):
        refine(grown[0].morph, 0.5, views, RefineSettings(), run)
    assert "matching the outline" not in run.phase_seconds


def test_no_displacement_is_too_steep_however_coarse_the_mask(grown) -> None:
    fine = ellipse(1.6, 0.5)
    coarse = View(fine.mask.reshape(16, 8, 16, 8).mean(axis=(1, 3)), fine.camera.resized(16, 16))
    found = refine(grown[0].morph, 0.5, [coarse], RefineSettings(steps=8), Run())
    assert isinstance(found.morph, GuidedMorph)
    (layer,) = found.morph.layers
    assert layer.forth
    steep = [steepness(move.coefficients.astype(np.float64), move.cell) for move in layer.forth]
    assert max(steep) <= 1.0001 * STEEPEST


def test_frames_of_constant_speed_stay_at_their_times(grown, matched: Refined) -> None:
    timeline = Timeline(7, constant_speed=True)
    assert (times_of(timeline, matched.morph) == times_of(timeline, grown[0].morph)).all()


def test_it_stops_when_asked(grown) -> None:
    shown = []
    run = Run(seconds=0.0, on_preview=shown.append)
    early = refine(grown[0].morph, 0.5, [ellipse(1.3, 0.8)], RefineSettings(), run)
    assert early.report["steps"] == 1
    assert early.morph is grown[0].morph
    assert shown[0].same_faces(grown[0].morph.source)
    with pytest.raises(Cancelled):
        refine(grown[0].morph, 0.5, [ellipse(1.3, 0.8)], RefineSettings(), Run(cancelled=lambda: True))


def test_what_own_faces_cannot_do_is_said(grown) -> None:
    found = refine(grown[0].morph, 0.5, [ring(1.0, 0.5)], RefineSettings(), Run())
    assert "--topology remesh" in found.report["warnings"][0]


@pytest.mark.parametrize("time", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_the_ends_cannot_be_matched(grown, time: float) -> None:
    with pytest.raises(SettingError, match="first and the last frame stay"):
        refine(grown[0].morph, time, [ellipse(1.0, 1.0)], RefineSettings(), Run())


def turned_away() -> Camera:
    seen = camera()
    return Camera(np.diag([1.0, -1.0, -1.0, 1.0]) @ seen.world_to_camera, seen.focal, seen.centre, SIDE, SIDE)


def beside(right: float, ahead: float) -> Camera:
    """A camera beside the ball and a little ahead of its middle, which sees some of its front by a wide lens."""
    seen = moved_camera(12.0 + ahead)
    matrix = seen.world_to_camera.copy()
    matrix[:, 0, 3] -= right
    return Camera(matrix, np.full((1, 2), 20.0), seen.centre, SIDE, SIDE)


def moved_camera(along: float) -> Camera:
    seen = camera()
    matrix = seen.world_to_camera.copy()
    matrix[:, 2, 3] -= along
    return Camera(matrix, seen.focal, seen.centre, SIDE, SIDE)


@pytest.mark.parametrize(
    ("views", "words"),
    [
        ([], "no outline"),
        ([View(np.zeros((SIDE, SIDE), np.float32), camera())], "the mask is empty"),
        ([View(np.ones((SIDE, SIDE), np.float32), camera())], "covers the whole image"),
        ([View(ellipse(1.0, 1.0).mask[:100], camera())], "128 x 100 pixels and its camera 128 x 128"),
        ([View(ellipse(1.0, 1.0).mask, turned_away())], "looks away"),
        ([View(ellipse(1.0, 1.0).mask, moved_camera(11.5))], "the camera stands inside of the shape"),
        ([View(ellipse(1.0, 1.0).mask, moved_camera(12.5))], "the camera stands inside of the shape"),
        ([View(ellipse(1.0, 1.0).mask, beside(1.05, 0.2))], "with its middle behind it; move it back"),
        ([ellipse(1.0, 1.0), View(np.zeros((SIDE, SIDE), np.float32), camera())], "outline 2 of 2: the mask is empty"),
        ([View(2.0 * ellipse(1.0, 1.0).mask, camera())], "no coverage"),
        ([View(1.0 - ellipse(1.2, 0.9).mask, camera())], "leaves the shape out; invert it"),
    ],
)
def test_bad_views_are_told(grown, views: list[View], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        refine(grown[0].morph, 0.5, views, RefineSettings(), Run())


def test_a_morph_without_layers_is_its_base(grown) -> None:
    plain = GuidedMorph(grown[0].morph, [])
    assert same(plain, grown[0].morph, 0.5)


def test_no_edge_is_drawn_out_to_a_spike(grown) -> None:
    """The outline of a cross, whose arms come of what few faces are near; without a price of stretch it is 3.1."""
    x, y = np.abs(pixels())
    mask = ((x < 0.3) & (y < 1.3)) | ((y < 0.3) & (x < 1.3))
    found = refine(grown[0].morph, 0.5, [View(mask.astype(np.float32), camera())], RefineSettings(), Run())
    assert found.report["views"][0]["iou"] >= 0.98
    first, second = edges_of(found.before.triangles()).ends.T
    before, after = (
        np.linalg.norm(p[first] - p[second], axis=1) for p in (found.before.positions(), found.after.positions())
    )
    assert (after / before).max() < 2.3


def test_the_price_of_stretch_is_that_of_the_formula() -> None:
    mesh = ball(1.0, 1)
    positions, triangles = mesh.positions(), mesh.triangles().astype(np.int64)
    stretch = Stretch(positions, triangles, Run().device)
    rest = torch.as_tensor(positions)
    assert float(stretch(rest)) == pytest.approx(0.0, abs=1e-12)
    for factor in (2.0, 0.5):
        assert float(stretch(factor * rest)) == pytest.approx(WEIGHT * 2.25**2)
    turned = rest @ torch.linalg.qr(torch.as_tensor(np.random.default_rng(0).normal(size=(3, 3)))).Q + 5.0
    assert float(stretch(turned)) == pytest.approx(0.0, abs=1e-12)
    moved = (1.3 * rest).requires_grad_()
    assert torch.autograd.gradcheck(stretch, moved)

"""Whole jobs whose frames have faces of their own: choice, resolution, constant speed, poses on the way, files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.checkpoint import morph_from_bytes, morph_to_bytes
from backend.correspondence.correspondence import CorrespondenceError
from backend.pipeline import Trained, bake, train
from backend.timeline import times_of
from backend.training.run import Run
from protocol.mesh import MeshData, MeshError
from protocol.messages import MorphRequest, Stop, Timeline
from protocol.settings import SettingError
from tests.meshes import icosphere, torus
from tests.methods.conftest import request_for


def stretched(mesh: MeshData) -> MeshData:
    return mesh.with_positions(mesh.positions() * [1.6, 1.0, 0.8] + [0.5, 0.0, 0.0])


@pytest.fixture(scope="module")
def blended() -> tuple[MorphRequest, Trained]:
    """A ball that grows longer, by a method that only makes faces of its own, the match being known."""
    ball = icosphere(2)
    request = request_for((ball, stretched(ball)), "sdf_blend")
    return request, train(request, Run())


def test_the_report_says_what_was_chosen_and_why(blended: tuple[MorphRequest, Trained]) -> None:
    report = blended[1].report
    assert (report["topology"], report["correspondence"], report["stops"]) == ("remesh", "vertex-order", 0)
    assert report["topology_reason"]
    kept = train(request_for((icosphere(1), icosphere(1, 2.0)), "arap"), Run()).report
    assert kept["topology"] == "keep"


def test_a_bake_has_the_resolution_of_its_timeline(blended: tuple[MorphRequest, Trained]) -> None:
    morph = blended[1].morph
    coarse, fine = (next(bake(morph, Timeline(2, resolution=cells))).mesh for cells in (16, 32))
    assert 3.0 < fine.n_faces / coarse.n_faces < 5.0
    for cells in (7, 1025):
        with pytest.raises(SettingError, match=f"resolution is {cells}; it must be a whole number from 8 to 1024"):
            next(bake(morph, Timeline(2, resolution=cells)))


def test_a_morph_of_its_own_faces_comes_back_from_its_file(blended: tuple[MorphRequest, Trained]) -> None:
    request, trained = blended
    restored, facts = morph_from_bytes(morph_to_bytes(trained, request))
    assert (facts["topology"], facts["method"]) == ("remesh", "sdf_blend")
    timeline = Timeline(3, resolution=16)
    for ours, theirs in zip(bake(trained.morph, timeline), bake(restored, timeline), strict=True):
        np.testing.assert_array_equal(ours.mesh.face_indices, theirs.mesh.face_indices)
        np.testing.assert_array_equal(ours.mesh.vertices, theirs.mesh.vertices)


def test_constant_speed_is_that_of_what_is_carried(blended: tuple[MorphRequest, Trained]) -> None:
    """The vertices of such frames cannot be followed; the source's, carried along, can."""
    morph = blended[1].morph
    times = times_of(Timeline(9, constant_speed=True), morph)
    carried = np.array(list(morph.carries(morph.source.positions(), times.tolist())))
    steps = np.linalg.norm(np.diff(carried, axis=0), axis=2).mean(axis=1)
    assert steps.std() < 0.02 * steps.mean()
    frames = list(bake(morph, Timeline(3, constant_speed=True, resolution=16)))
    assert [frame.time for frame in frames][::2] == [0.0, 1.0]


def test_constant_speed_of_what_stands_still_is_even_time() -> None:
    """A ball that is carried onto itself: what rounding leaves of a motion says nothing of its speed."""
    ball = icosphere(1)
    morph = train(request_for((ball, ball), "sdf_blend"), Run()).morph
    np.testing.assert_array_equal(times_of(Timeline(5, constant_speed=True), morph), np.linspace(0.0, 1.0, 5))


def posed(*lifts: float) -> tuple[Stop, ...]:
    ball = icosphere(2)
    return tuple(Stop(ball.with_positions(ball.positions() + np.array([0.0, 0.0, lift]))) for lift in lifts)


def test_stops_are_matched_checked_and_met() -> None:
    ball = icosphere(2)
    warned = with_a_stray_vertex(posed(2.0)[0].mesh)
    pairs = np.stack([np.arange(162), np.arange(162)], axis=1).astype(np.int32)
    request = request_for((ball, stretched(ball)), "linear", stops=(Stop(warned, pairs), *posed(1.0)))
    trained = train(request, Run())
    assert trained.report["stops"] == 2
    assert any("stop 1" in warning for warning in trained.report["warnings"])
    for t, lift in ((1 / 3, 2.0), (2 / 3, 1.0)):
        middle = trained.morph.frame(t).positions()
        np.testing.assert_allclose(middle, ball.positions() + np.array([0.0, 0.0, lift]), atol=1e-3)


def with_a_stray_vertex(mesh: MeshData) -> MeshData:
    positions = np.concatenate([mesh.positions(), [[5.0, 5.0, 5.0]]])
    return MeshData.from_positions(positions, mesh.face_offsets, mesh.face_indices)


def test_stops_that_cannot_be_are_refused_in_words() -> None:
    ball = icosphere(2)
    good = request_for((ball, stretched(ball)), "linear", stops=posed(1.0))
    empty = MeshData.from_positions(np.zeros((3, 3)), np.zeros(1, int), np.zeros(0, int))
    far = np.array([[0, 500]], np.int32)
    cases = [
        (
            replace(good, stops=(*posed(1.0), Stop(icosphere(1)))),
            CorrespondenceError,
            "source has 162 vertices and stop 2 42. Give a table of vertex pairs instead .--through-tables",
        ),
        (replace(good, stops=(Stop(empty),)), MeshError, "stop 1: "),
        (
            replace(good, stops=(Stop(ball, far),)),
            CorrespondenceError,
            "table of stop 1: row 0 names target vertex 500",
        ),
        (replace(good, method="sdf_blend"), SettingError, "no poses between.* choose method velocity_field or arap"),
        (replace(good, method="velocity_field", target=torus(8, 8)), CorrespondenceError, "leave the poses out"),
    ]
    for request, kind, words in cases:
        with pytest.raises(kind, match=words):
            train(request, Run())

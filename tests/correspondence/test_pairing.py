"""What a request says of the match, and what becomes of what is found without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.correspondence.correspondence import Correspondence, CorrespondenceError
from backend.geometry.repair import working_pair
from backend.mesh_match import match_meshes
from backend.pairing import correspondence_of, in_order, way_of
from backend.training.run import Cancelled, Run
from protocol.mesh import MeshData
from protocol.messages import MatchRequest, MorphRequest
from tests.meshes import icosphere, torus
from tests.one_thread import one_thread as one_thread
from tests.shapes_to_match import creature, shuffled

SOURCE = creature(2)
TARGET, PLACE = shuffled(SOURCE)
PICKED = np.array([[k, PLACE[k]] for k in (0, 12, 40, 90, 120)], np.int32)
BALL, RING = icosphere(2, 0.5), torus(24, 12, 0.5, 0.2)


def settled(request: MorphRequest, run: Run | None = None) -> Correspondence | None:
    return correspondence_of(request, *working_pair(request.source, request.target), run or Run())


def morph(source: MeshData, target: MeshData, method: str = "linear", **changes: object) -> MorphRequest:
    return MorphRequest(source, target, method, "", **changes)  # type: ignore[arg-type]


def test_landmarks_near_the_vertex_order_agree_with_it_and_far_ones_do_not() -> None:
    tip = int(SOURCE.vertices[:, 0].argmax())
    edges = SOURCE.triangles()[:, :2]
    short = edges[np.linalg.norm(np.diff(SOURCE.vertices[edges], axis=1)[:, 0], axis=1).argmin()].tolist()
    far = int(SOURCE.vertices[:, 0].argmin())
    for landmarks, agree in (([], True), ([[0, 0]], True), ([short], True), ([[0, 0], [tip, far]], False)):
        request = MatchRequest(SOURCE, SOURCE, "auto", np.array(landmarks, np.int32).reshape(-1, 2))
        assert in_order("auto", request) == agree
        assert in_order("vertex-order", request)
        assert not in_order("spectral", request)
    assert not in_order("auto", MatchRequest(SOURCE, TARGET))


def test_a_found_match_weighs_as_much_as_it_is_trusted() -> None:
    run = Run()
    found = settled(morph(SOURCE, TARGET, correspondence="nonrigid", landmarks=PICKED), run)
    assert found is not None
    assert found.way == "nonrigid"
    assert (found.weights > 0).all()
    assert (found.weights <= 1).all()
    assert found.weights.std() > 0
    assert run.facts["matching"]["landmarks"] == 5
    dense = match_meshes(MatchRequest(SOURCE, TARGET, "nonrigid", PICKED), Run())
    np.testing.assert_array_equal(found.source, np.flatnonzero(dense.vertices >= 0))
    np.testing.assert_array_equal(found.target, dense.vertices[found.source])
    np.testing.assert_array_equal(found.weights, dense.confidence[found.source])


def test_without_a_match_there_are_new_surfaces_or_a_refusal_that_says_what_helps() -> None:
    run = Run()
    assert settled(morph(BALL, RING, "sdf_blend"), run) is None
    assert run.said
    for method, topology in (("linear", "auto"), ("velocity_field", "keep")):
        with pytest.raises(CorrespondenceError) as refused:
            settled(morph(BALL, RING, method, topology=topology))
        told = str(refused.value)
        for part in ("162 vertices, 320 faces; target: 288", run.said[0], "Pick landmarks", "--landmarks FILE"):
            assert part in told
        assert ("--topology remesh" in told) == (method == "velocity_field")
    guess = match_meshes(MatchRequest(BALL, RING), Run())
    assert guess.way == "none"
    assert guess.said == tuple(run.said)


def test_meshes_too_small_to_be_matched_get_new_surfaces_too() -> None:
    run = Run()
    assert settled(morph(icosphere(0), icosphere(1), "sdf_blend"), run) is None
    (why,) = run.said
    with pytest.raises(CorrespondenceError) as refused:
        settled(morph(icosphere(0), icosphere(1)))
    assert why in str(refused.value)
    with pytest.raises(CorrespondenceError) as refused:
        settled(morph(icosphere(0), icosphere(1), "sdf_blend", correspondence="spectral"))
    assert str(refused.value) == why


def test_ways_have_one_spelling_and_others_are_refused() -> None:
    assert way_of("implicit_dense") == "implicit-dense"
    with pytest.raises(CorrespondenceError, match="correspondence is 'guess'; it must be one of auto, vertex-order, t"):
        way_of("guess")
    with pytest.raises(CorrespondenceError, match="a table is a match already"):
        match_meshes(MatchRequest(BALL, BALL, "table"), Run())
    with pytest.raises(CorrespondenceError, match="the correspondence is a table, but no table was given"):
        settled(morph(BALL, BALL, correspondence="table"))


def test_a_match_is_stopped_when_it_is_cancelled() -> None:
    with pytest.raises(Cancelled):
        match_meshes(MatchRequest(SOURCE, TARGET), Run(cancelled=lambda: True))


def test_what_a_match_says_travels() -> None:
    """Whatever is found has the form that the wire asks for: finite points, confidences of 0 to 1."""
    moved = TARGET.with_positions(TARGET.positions())
    far = MeshData.from_positions(moved.positions() + 1e6, moved.face_offsets, moved.face_indices)
    found = match_meshes(MatchRequest(SOURCE, far, "nonrigid", PICKED), Run())
    doubtful = replace(
        found, confidence=found.confidence * (1 + 1e-9), vertices=np.where(PLACE == 3, -1, found.vertices)
    )
    message = doubtful.message("job", far)
    assert message.confidence.max() <= 1
    assert np.isfinite(message.points).all()
    there = far.origin + far.scale * message.points.astype(float)
    known = message.vertices >= 0
    np.testing.assert_allclose(there[known], found.points[known], atol=1e-5)
    assert not message.points[PLACE == 3].any()


def test_landmarks_that_a_way_does_not_use_are_told_of() -> None:
    run = Run()
    match_meshes(MatchRequest(BALL, BALL, "implicit-dense", PICKED), run)
    assert [warning for warning in run.warnings if "the landmarks are not used" in warning]
    run = Run()
    match_meshes(MatchRequest(BALL, BALL, "nonrigid", PICKED), run)
    assert run.warnings == []

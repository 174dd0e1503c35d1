"""Whole jobs through the pipeline: ends, determinism, checkpoints, timelines, riding objects."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

import backend
from backend.checkpoint import FORMAT, morph_from_bytes, morph_to_bytes
from backend.correspondence.correspondence import CorrespondenceError
from backend.fact_file import parse_fact_file
from backend.methods.registry import specs
from backend.pipeline import bake, train
from backend.timeline import times_of
from backend.training.run import Cancelled, Run
from protocol.mesh import MeshData
from protocol.messages import Timeline
from protocol.settings import SettingError
from tests.meshes import icosphere, torus
from tests.methods.conftest import request_for

EVERY = ("velocity_field", "arap", "linear")


def vertices(morph, timeline):
    return [frame.mesh.vertices for frame in bake(morph, timeline)]


@pytest.fixture(scope="module")
def trained(fox):
    request = request_for(fox)
    return request, train(request, Run())


@pytest.mark.parametrize("method", EVERY)
def test_both_ends_are_exact(fox, method):
    source, target = fox
    morph = train(request_for(fox, method, settings={"steps": 20} if method == "velocity_field" else {}), Run()).morph
    first, last = morph.frame(0.0), morph.frame(1.0)
    assert first.vertices.tobytes() == source.vertices.tobytes()
    assert np.array_equal(first.face_indices, source.face_indices)
    np.testing.assert_allclose(last.positions(), target.positions(), rtol=0, atol=1e-5 * 185)


def test_the_flow_itself_arrives_and_the_report_says_how_near(trained):
    report = trained[1].report
    assert 0.0 < report["raw_flow_corr_error_t1"] < 0.02
    assert report["training_steps"] == report["settings"]["steps"] == 400
    assert set(report["phases"]) == {"preparing", "matching", "path", "training", "correcting"}
    assert report["warnings"] == []


def test_in_betweens_come_nearer_to_the_truth_than_straight_lines(fox, trained):
    truth = np.load(Path(backend.__file__).parent / "data" / "fox_run" / "inbetween.npy").astype(float)  # [17, V, 3]

    def error(morph):
        frames = zip(bake(morph, Timeline(len(truth))), truth, strict=True)
        return np.mean([np.linalg.norm(frame.mesh.positions() - true, axis=1).mean() for frame, true in frames])

    straight = train(request_for(fox, "linear"), Run()).morph
    assert error(trained[1].morph) < 0.82 * error(straight)
    even = train(request_for(fox, settings={"steps": 20, "rest_at_ends": 0.0}), Run()).morph
    assert error(even) < 0.85 * error(straight)


def test_areas_are_kept_along_the_way(fox, trained):
    triangles = fox[0].triangles()

    def area(mesh):
        a, b, c = (mesh.positions()[triangles[:, k]] for k in range(3))
        return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2

    areas = np.array([area(frame.mesh) for frame in bake(trained[1].morph, Timeline(17))])
    expected = np.linspace(areas[0], areas[-1], 17)
    assert (areas / expected).std() < 0.006


def test_equal_jobs_give_equal_bytes(fox, trained):
    request, first = trained
    again = train(request, Run())
    assert morph_to_bytes(first, request) == morph_to_bytes(again, request)
    other = train(request, Run(seed=1))
    assert morph_to_bytes(first, request) != morph_to_bytes(other, request)


@pytest.mark.parametrize("method", EVERY)
def test_a_morph_comes_back_from_its_file(fox, method, trained):
    request = request_for(fox, method)
    job = trained[1] if method == "velocity_field" else train(request, Run())
    restored, facts = morph_from_bytes(morph_to_bytes(job, request))
    assert facts["method"] == method
    for one, two in zip(vertices(job.morph, Timeline(7)), vertices(restored, Timeline(7)), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-4)


def test_a_file_that_is_no_morph_is_refused(fox, trained):
    for data in (b"nothing of the kind", *(save({}, {"tweenfield": facts}) for facts in ("[]", "{", "{}"))):
        with pytest.raises(SettingError, match="not a Tweenfield morph"):
            morph_from_bytes(data)


@pytest.mark.parametrize("method", EVERY)
def test_a_file_that_lost_a_part_is_refused_in_words(fox, method, trained):
    request = request_for(fox, method)
    data = morph_to_bytes(trained[1] if method == "velocity_field" else train(request, Run()), request)
    tensors, facts = parse_fact_file(data, FORMAT, "no morph")
    metadata = {"tweenfield": json.dumps(facts)}
    for lost in (name for name in tensors if "attribute" not in name):
        with pytest.raises(SettingError, match=r"missing|damaged"):
            morph_from_bytes(save({name: array for name, array in tensors.items() if name != lost}, metadata))
    del facts["values"]
    with pytest.raises(SettingError, match=r"damaged.*values"):
        morph_from_bytes(save(tensors, {"tweenfield": json.dumps(facts)}))


def test_a_turn_keeps_its_area_and_its_middle(turned):
    request = request_for(turned, settings={"steps": 50})
    morph = train(request, Run()).morph
    source, target = (mesh.positions() for mesh in turned)
    halfway = morph.frame(0.5).positions()
    np.testing.assert_allclose(halfway.mean(axis=0), (source.mean(axis=0) + target.mean(axis=0)) / 2, atol=1e-4)
    reach = np.linalg.norm(halfway - halfway.mean(axis=0), axis=1) / np.linalg.norm(source, axis=1)
    np.testing.assert_allclose(reach, np.sqrt(1.5), rtol=0.03)  # neither shrunk nor torn


def test_points_ride_along(fox, trained):
    _, job = trained
    source, target = (mesh.positions() for mesh in fox)
    size = np.linalg.norm(np.ptp(source, axis=0))
    assert np.array_equal(job.morph.carry(source, 0.0), source)
    assert np.linalg.norm(job.morph.carry(source, 1.0) - target, axis=1).max() < 1e-4 * size
    beside = source + 0.01 * size * np.array([1.0, 0.0, 0.0])
    assert np.linalg.norm(job.morph.carry(beside, 1.0) - target, axis=1).max() < 0.1 * size
    cloud = icosphere(1).with_positions(5 * icosphere(1).positions() + source.mean(axis=0))
    frames = list(bake(job.morph, Timeline(3), (cloud,)))
    assert frames[0].carried[0] is cloud
    assert [frame.carried[0].n_vertices for frame in frames] == [cloud.n_vertices] * 3


def test_far_and_tiny_meshes_lose_nothing():
    ball = torus(16, 8)
    for offset, size in ((1e6, 1.0), (0.0, 1e-6)):
        at = MeshData.from_positions(size * ball.positions() + offset, ball.face_offsets, ball.face_indices)
        to = at.with_positions(at.positions() + size * np.array([0.0, 0.0, 0.5]))
        morph = train(request_for((at, to), settings={"steps": 20}), Run()).morph
        assert np.abs(morph.frame(1.0).positions() - to.positions()).max() < 1e-6 * size
        middle = (at.positions() + to.positions()) / 2
        assert np.abs(morph.frame(0.5).positions() - middle).max() < 1e-3 * size


def test_a_target_far_from_the_source_loses_nothing(fox):
    source, target = fox
    far = MeshData.from_positions(target.positions() + 1e7, target.face_offsets, target.face_indices)
    frames = list(bake(train(request_for((source, far), settings={"steps": 20}), Run()).morph, Timeline(3)))
    assert frames[0].mesh is source
    assert np.abs(frames[2].mesh.positions() - far.positions()).max() < 1e-4
    middle = frames[1].mesh.positions()
    assert 150.0 < np.linalg.norm(np.ptp(middle, axis=0)) < 220.0


@pytest.mark.parametrize("easing", ["linear", "ease-in", "ease-out", "ease-in-out"])
def test_timelines(trained, easing):
    morph = trained[1].morph
    times = times_of(Timeline(9, easing=easing), morph)
    assert times[0] == 0.0
    assert times[-1] == 1.0
    assert (np.diff(times) > 0).all()
    backwards = times_of(Timeline(9, easing=easing, reverse=True), morph)
    assert np.array_equal(backwards, times[::-1])
    with pytest.raises(SettingError, match="frames"):
        times_of(Timeline(1), morph)


def test_constant_speed_makes_equal_steps(trained):
    def spread(timeline):
        positions = np.array([frame.mesh.positions() for frame in bake(trained[1].morph, timeline)])
        steps = np.linalg.norm(np.diff(positions, axis=0), axis=2).mean(axis=1)
        return steps.std() / steps.mean()

    assert spread(Timeline(13, constant_speed=True)) < 0.05 < spread(Timeline(13))


def test_a_time_budget_is_kept_and_gives_the_best_so_far(fox):
    job = train(request_for(fox, preset="high"), Run(seconds=3.0))
    assert job.report["seconds"] < 6.0
    assert 0 < job.report["training_steps"] < 12000
    assert job.report["raw_flow_corr_error_t1"] < 0.1


def test_previews_show_the_motion_before_it_is_trained(fox):
    seen = []
    train(request_for(fox), Run(on_preview=lambda morph: seen.append(morph.frame(0.5).vertices)))
    assert len(seen) >= 1
    # The first one is the path itself, which is where the trained motion will go.
    trained = train(request_for(fox), Run()).morph.frame(0.5).vertices
    np.testing.assert_allclose(seen[0], trained, rtol=0, atol=0.1)


def test_cancelling_stops_the_training(fox):
    calls = []

    def cancelled():
        calls.append(1)
        return len(calls) > 60

    with pytest.raises(Cancelled):
        train(request_for(fox), Run(cancelled=cancelled))
    assert len(calls) == 61


def test_the_paper_preset_trains_by_matching(fox):
    settings = {"steps": 30, "batch": 64, "width": 64, "depth": 4, "time_steps": 5}
    job = train(request_for(fox, preset="paper", settings=settings), Run())
    last = job.morph.frame(1.0).positions()
    np.testing.assert_allclose(last, fox[1].positions(), rtol=0, atol=1e-3)
    ridden = job.morph.carry(fox[0].positions(), 0.5)
    np.testing.assert_allclose(ridden, job.morph.frame(0.5).positions(), rtol=0, atol=0.05)
    smaller = train(request_for(fox, preset="paper", settings=settings | {"width": 32}), Run())
    assert len(morph_to_bytes(smaller, request_for(fox))) < len(morph_to_bytes(job, request_for(fox)))
    assert job.report["settings"]["supervision"] == "matching"
    assert job.report["raw_flow_corr_error_t1"] < 0.2


def test_meshes_without_common_order_need_a_table(fox):
    source, _ = fox
    other = torus(10, 5)
    with pytest.raises(CorrespondenceError, match=r"give a table .* \(--topology remesh\) needs none of"):
        train(request_for((source, other), topology="keep"), Run())
    with pytest.raises(CorrespondenceError, match=r"Pick landmarks.* or give a table") as refused:
        train(request_for((source, other), "linear"), Run())
    assert "remesh" not in str(refused.value)
    with pytest.raises(CorrespondenceError, match="vertex order cannot match"):
        train(replace(request_for((source, other)), correspondence="vertex-order"), Run())


def with_stray(mesh, position):
    positions = np.concatenate([mesh.positions(), [position]])
    return MeshData.from_positions(positions, mesh.face_offsets, mesh.face_indices)


def test_stray_vertices_go_where_the_vertex_order_says(fox):
    pair = with_stray(fox[0], [0.0, 40.0, 0.0]), with_stray(fox[1], [90.0, 0.0, 0.0])
    job = train(request_for(pair, settings={"steps": 20}), Run())
    assert any("without a face" in warning for warning in job.report["warnings"])
    np.testing.assert_allclose(job.morph.frame(1.0).positions()[-1], [90.0, 0.0, 0.0], atol=1e-4)


def test_stray_vertices_without_a_known_end_follow_the_field(fox):
    pair = with_stray(fox[0], fox[0].positions()[7] + 0.5), fox[1]
    pairs = np.stack([np.arange(290), np.arange(290)], axis=1).astype(np.int32)
    job = train(request_for(pair, correspondence="table", pairs=pairs), Run())
    end = job.morph.frame(1.0).positions()
    assert np.linalg.norm(end[-1] - end[7]) < 6.0  # of a fox of 185


def test_vertices_at_one_place_may_part(fox):
    """A soup of triangles whose corners meet at the start and not at the end."""
    ball = icosphere(1)
    corners = ball.positions()[ball.face_indices]
    every = np.arange(len(corners))
    middles = corners.reshape(-1, 3, 3).mean(axis=1)
    apart = corners + np.repeat(0.3 * middles, 3, axis=0)
    source = MeshData.from_positions(corners, ball.face_offsets, every)
    target = MeshData.from_positions(apart, ball.face_offsets, every)
    morph = train(request_for((source, target), settings={"steps": 20}), Run()).morph
    np.testing.assert_allclose(morph.frame(1.0).positions(), apart, atol=1e-6)
    assert np.array_equal(morph.frame(0.0).vertices, source.vertices)


def test_the_etag_of_a_method_follows_its_settings():
    described = {spec.name: spec for spec in specs()}
    assert next(iter(described)) == "velocity_field"
    assert {"arap", "linear", "sdf_blend"} <= set(described)
    assert len({spec.etag for spec in described.values()}) == len(described)
    changed = replace(described["arap"], needs_correspondence=False, doc="something else")
    assert changed.etag != described["arap"].etag

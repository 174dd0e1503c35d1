"""Surfaces of their own in every frame: the default method with a match, without one, and by the paper's training."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save

from backend.checkpoint import FORMAT, morph_from_bytes, morph_to_bytes
from backend.fact_file import parse_fact_file
from backend.flow.co_moving import CoMoving
from backend.flow.pace import Pace
from backend.geometry.distance import closest_on_surface
from backend.geometry.metrics import topology
from backend.geometry.repair import working_mesh
from backend.geometry.triangles import areas
from backend.methods.arap import ArapMotion
from backend.methods.blended_distance import BlendedDistance
from backend.methods.carried_pair import RigidPair
from backend.methods.matched_pair import MatchedPair
from backend.methods.velocity_settings import VelocitySettings
from backend.methods.velocity_surface import surface_training
from backend.pipeline import bake, train
from backend.training.run import Run
from protocol.messages import Timeline
from protocol.settings import SettingError
from tests.meshes import icosphere, torus, triangle_mesh
from tests.methods.conftest import request_for

QUICK = {"steps": 50, "surface_steps": 150, "time_steps": 8}


def remeshed(pair, resolution=40, frames=5, **changes):
    settings = QUICK | changes.pop("settings", {})
    timeline = Timeline(frames, resolution=resolution)
    request = request_for(pair, topology="remesh", settings=settings, timeline=timeline, **changes)
    trained = train(request, Run())
    return request, trained, list(bake(trained.morph, timeline))


def off(mesh, surface) -> float:
    """Mean distance of the vertices of a frame from a mesh."""
    return float(closest_on_surface(mesh.positions(), surface.positions(), surface.triangles())[0].mean())


def test_a_matched_pair_gives_closed_surfaces_on_the_carried_one(turned):
    _, trained, frames = remeshed(turned)
    keep = train(request_for(turned, topology="keep", settings={"steps": 50, "time_steps": 8}), Run())
    for frame in frames:
        carried = keep.morph.frame(frame.time)
        size = float(np.ptp(carried.positions(), axis=0).max())
        shape = topology(frame.mesh.n_vertices, frame.mesh.triangles())
        assert shape["closed"]
        assert shape["components"] == 1
        assert shape["genus"] == 1
        assert off(frame.mesh, carried) < 0.002 * size
        ratio = areas(frame.mesh.positions(), frame.mesh.triangles()).sum()
        assert ratio == pytest.approx(areas(carried.positions(), carried.triangles()).sum(), rel=0.02)
    assert trained.report["topology"] == "remesh"
    assert trained.report["guessed_share"] == 0.0


def test_without_a_match_a_hole_closes_once_and_the_ends_are_exact():
    pair = torus(), icosphere(3, 1.1)
    request, trained, frames = remeshed(pair, frames=9)
    shapes = [topology(frame.mesh.n_vertices, frame.mesh.triangles()) for frame in frames]
    assert all(shape["closed"] and shape["components"] == 1 for shape in shapes)
    genus = [shape["genus"] for shape in shapes]
    assert genus[0] == 1
    assert genus[-1] == 0
    assert genus == sorted(genus, reverse=True)
    assert off(frames[0].mesh, pair[0]) < 0.004
    assert off(frames[-1].mesh, pair[1]) < 0.004
    assert trained.report["guessed_share"] > 0.3
    assert trained.report["surface_steps"] > 0
    again, _ = morph_from_bytes(morph_to_bytes(trained, request))
    for mesh, other in zip(
        again.at_resolution(24).frames([0.0, 0.4]), trained.morph.at_resolution(24).frames([0.0, 0.4]), strict=True
    ):
        assert np.array_equal(mesh.vertices, other.vertices)
        assert np.array_equal(mesh.face_indices, other.face_indices)
    finer = trained.morph.at_resolution(60).frame(0.4)
    coarser = trained.morph.at_resolution(40).frame(0.4)
    assert finer.n_faces > 1.8 * coarser.n_faces


def test_a_surface_without_its_weights_is_refused_in_words():
    request, trained, _ = remeshed((torus(), icosphere(2, 1.1)), resolution=16, frames=2, settings={"surface_steps": 2})
    data = morph_to_bytes(trained, request)
    tensors, facts = parse_fact_file(data, FORMAT, "no morph")
    metadata = {"tweenfield": json.dumps(facts)}
    lost = [name for name in tensors if ".residual." in name]
    assert lost
    for left_out in lost:
        with pytest.raises(SettingError, match="weights of 'residual' are missing"):
            morph_from_bytes(save({name: array for name, array in tensors.items() if name != left_out}, metadata))


@pytest.mark.parametrize("surface", ["separate", "joint"])
def test_the_papers_own_training_makes_a_surface(turned, surface):
    settings = {
        "surface": surface, "surface_steps": 120, "fine_tune_steps": 22, "surface_width": 32, "surface_depth": 3,
        "surface_batch": 128, "steps": 40, "width": 32, "batch": 128, "depth": 3, "time_steps": 5,
    }  # fmt: skip
    request, trained, frames = remeshed(turned, frames=3, preset="paper", settings=settings)
    assert all(topology(f.mesh.n_vertices, f.mesh.triangles())["closed"] for f in frames)
    assert trained.report["surface_steps"] == 142
    again, _ = morph_from_bytes(morph_to_bytes(trained, request))
    assert np.array_equal(
        again.at_resolution(24).frame(0.5).vertices, trained.morph.at_resolution(24).frame(0.5).vertices
    )


@pytest.mark.parametrize(("steps", "seconds", "wanted"), [(0, None, 0), (0, 60.0, 0), (22, None, 22)])
def test_without_fine_tune_steps_no_time_is_kept_for_them(steps, seconds, wanted):
    training = surface_training(VelocitySettings(fine_tune_steps=steps), 8, Run(seconds=seconds))
    assert training.fine_tune_updates == wanted


def test_with_a_time_budget_fine_tuning_ends_by_time_alone():
    training = surface_training(VelocitySettings(fine_tune_steps=22), 8, Run(seconds=60.0))
    assert training.fine_tune_updates == training.updates > 10**6


def test_a_time_budget_is_shared_between_motion_and_surface():
    pair = torus(24, 12), icosphere(2, 1.1)
    trained = train(request_for(pair, topology="remesh", timeline=Timeline(2, resolution=24)), Run(seconds=16.0))
    assert trained.report["surface_steps"] > 0
    assert trained.report["seconds"] < 24.0


def test_both_surfaces_of_a_matched_pair_meet_at_any_time():
    """The target has other triangles: those of a finer sphere, squeezed as the coarser one will be."""
    squeeze = np.array([1.4, 0.8, 0.8])
    source, fine = working_mesh(icosphere(3), "source"), icosphere(4)
    target = working_mesh(triangle_mesh(squeeze * fine.positions(), fine.triangles()), "target")
    landed = squeeze * source.positions
    motion = ArapMotion(source, [landed])
    pair = MatchedPair(source, target, motion, CoMoving.of(source.positions, landed), Pace(0.0))
    for t in (0.0, 0.3, 0.7, 1.0):
        ours, theirs = pair.at(t)
        assert closest_on_surface(theirs, ours, source.triangles)[0].max() < 0.012
    assert np.array_equal(pair.at(1.0)[1], target.positions)


def test_the_blend_is_trusted_where_both_surfaces_agree():
    ball = working_mesh(icosphere(4), "source")
    shifted = working_mesh(
        triangle_mesh(icosphere(4).positions() + np.array([0.5, 0.0, 0.0]), icosphere(4).triangles()), "target"
    )
    frame = CoMoving.of(ball.positions, ball.positions)
    points = np.random.default_rng(0).normal(size=(500, 3))
    same = BlendedDistance(RigidPair(ball, ball, frame)).at(0.5)(points)
    assert np.abs(same.distances - (np.linalg.norm(points, axis=1) - 1)).max() < 0.005
    assert same.trust.min() == 1.0
    differ = BlendedDistance(RigidPair(ball, shifted, frame))
    middle = differ.at(0.5)(points)
    other = np.linalg.norm(points - [0.5, 0.0, 0.0], axis=1) - 1
    assert np.allclose(middle.distances, (np.linalg.norm(points, axis=1) - 1 + other) / 2, atol=0.005)
    assert np.median(middle.trust) < 0.1
    for t in (0.0, 1.0):
        assert differ.at(t)(points).trust.min() == 1.0

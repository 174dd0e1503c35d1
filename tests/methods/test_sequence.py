"""Motions through several poses: exact at each, smooth through it, and nearer to the truth than without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import backend
from backend.flow.co_moving import CoMoving
from backend.flow.pace import Pace
from backend.geometry.distance import closest_on_surface
from backend.geometry.io import read_mesh
from backend.methods.method import Morph, Pair
from backend.methods.registry import get, spec
from backend.methods.sequence import leg_by_leg, through_poses, time_steps_of
from backend.pipeline import bake, train
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.messages import Stop, Timeline
from tests.meshes import rotation
from tests.methods.conftest import request_for
from tests.methods.poses import bar, bent, pair_through

EVERY = ("velocity_field", "arap", "linear")
SMALL_SEQUENCE = {"steps": 60, "batch": 128, "width": 64, "depth": 3, "learning_rate": 2e-3}


def fitted(pair: Pair, method: str, preset: str = "draft", run: Run | None = None, **settings: float | str) -> Morph:
    made = get(method)
    values = spec(made).resolve(preset, settings)
    return made.fit(pair, made.settings_type(**values), run or Run())


def positions(morph: Morph, times) -> np.ndarray:
    return np.array([mesh.positions() for mesh in morph.frames(list(times))])


@pytest.fixture(scope="module")
def bending() -> list[np.ndarray]:
    start = 3.0 * bar().positions()
    return [3.0 * bent(start / 3.0, angle) + [offset, 0, 0] for angle, offset in ((0, 5), (0.5, 6), (1.4, 8), (1.0, 8))]


def size(poses) -> float:
    return float(np.ptp(poses[0], axis=0).max())


@pytest.mark.parametrize("method", EVERY)
@pytest.mark.parametrize("stops", [1, 2])
def test_every_pose_is_met(bending, method, stops):
    poses = bending[: stops + 2]
    settings = {"steps": 10} if method == "velocity_field" else {}
    morph = fitted(pair_through(bar(), poses), method, **settings)
    met = positions(morph, np.linspace(0.0, 1.0, stops + 2))
    assert np.abs(met - poses).max() < 1e-5 * size(poses)
    ridden = morph.carry(poses[0], 1.0 / (stops + 1))
    assert np.abs(ridden - poses[1]).max() < 1e-4 * size(poses)


@pytest.mark.parametrize("method", EVERY)
def test_a_sequence_comes_back_from_its_state(bending, method):
    settings = {"steps": 10} if method == "velocity_field" else {}
    morph = fitted(pair_through(bar(), bending), method, **settings)
    again = get(method).restore(morph.source, *morph.state())
    times = [0.1, 1 / 3, 0.6, 0.9]
    np.testing.assert_allclose(positions(again, times), positions(morph, times), atol=1e-5)
    cloud = bending[0][:5] + 0.1
    np.testing.assert_allclose(again.carry(cloud, 0.6), morph.carry(cloud, 0.6), atol=1e-5)


def speeds(morph: Morph, t: float, h: float = 1e-3) -> tuple[np.ndarray, np.ndarray]:
    before, at, after = positions(morph, (t - h, t, t + h))
    return (at - before) / h, (after - at) / h


def test_the_motion_goes_through_a_stop_without_a_kink(bending):
    pair = pair_through(bar(), bending)
    for method in ("velocity_field", "arap"):
        settings = {"steps": 10} if method == "velocity_field" else {}
        before, after = speeds(fitted(pair, method, **settings), 1 / 3)
        assert np.abs(before - after).max() < 0.05 * np.abs(before).max()
    before, after = speeds(fitted(pair, "linear"), 1 / 3)
    assert np.abs(before - after).max() > 0.3 * np.abs(before).max()  # which is what a kink looks like


def test_it_rests_at_the_outer_ends_and_at_stops_only_when_asked(bending):
    pair = pair_through(bar(), bending[:3])

    def speed(t: float, **settings: float) -> float:
        return float(np.abs(speeds(fitted(pair, "velocity_field", steps=10, **settings), t)[1]).mean())

    passing = speed(0.5, rest_at_ends=1.0)
    assert speed(0.5, rest_at_ends=0.0) == pytest.approx(passing, rel=0.05)
    assert speed(0.5, rest_at_stops=1.0) < 0.1 * passing
    assert speed(0.001, rest_at_ends=1.0) < 0.1 * speed(0.001, rest_at_ends=0.0)


def test_the_pace_keeps_every_stop_at_its_time():
    pace = Pace(0.7, 0.2, legs=3)
    assert [pace.progress(k / 3) for k in range(4)] == pytest.approx([0.0, 1 / 3, 2 / 3, 1.0], abs=1e-12)
    progress = [pace.progress(t) for t in np.linspace(0, 1, 200)]
    assert (np.diff(progress) > 0).all()
    h = 1e-6
    for t, wanted in ((0.0, 0.3), (1 / 3, 0.8), (2 / 3, 0.8), (1.0 - h, 0.3)):
        assert (pace.progress(t + h) - pace.progress(t)) / h == pytest.approx(wanted, abs=1e-4)
    assert Pace(0.5).progress(0.3) == pytest.approx(0.5 * 0.3 + 0.5 * 0.09 * 2.4)


def test_steps_fall_on_stops():
    assert time_steps_of(24, 1) == 24
    assert time_steps_of(24, 2) == 24
    assert time_steps_of(24, 5) == 60
    assert time_steps_of(11, 3) == 18


def test_the_co_moving_frame_goes_round_with_the_poses():
    start = bar().positions() + np.array([4.0, 0.0, 0.0])
    poses = [(1 + 0.2 * k) * start @ rotation([0, 1, 0.2], 100.0 * k).T for k in range(4)]
    frame = CoMoving.through(poses)
    inside = frame.enter(start, 0.0)
    for k, pose in enumerate(poses):
        np.testing.assert_allclose(frame.enter(pose, k / 3), inside, atol=1e-7)
    np.testing.assert_allclose(np.linalg.norm(frame.turns(), axis=1), np.radians(100.0), atol=1e-9)
    assert CoMoving.from_state(frame.state()) == frame
    points = np.random.default_rng(0).normal(size=(9, 3))
    np.testing.assert_allclose(frame.leave(frame.enter(points, 0.41), 0.41), points, atol=1e-12)


def test_a_body_that_turns_all_the_way_round_keeps_its_shape():
    start = bar().positions()
    poses = [start @ rotation([0, 1, 1], angle).T for angle in (0.0, 120.0, 240.0, 350.0)]
    for method, settings in (("velocity_field", {"steps": 10, "rest_at_ends": 0.0}), ("arap", {})):
        halfway = fitted(pair_through(bar(), poses), method, **settings).frame(0.5).positions()
        edges = np.linalg.norm(np.diff(halfway, axis=0), axis=1)
        np.testing.assert_allclose(edges, np.linalg.norm(np.diff(start, axis=0), axis=1), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(halfway, start @ rotation([0, 1, 1], 180.0).T, atol=0.05)


def test_a_running_fox_is_met_between_its_poses():
    """Truth held out: three poses of the run against its ends alone, and against straight lines from pose to pose."""
    folder = Path(backend.__file__).parent / "data" / "fox_run"
    truth = np.load(folder / "inbetween.npy").astype(float)  # [17, V, 3]
    mesh = read_mesh(folder / "source.obj")
    held_out = [*range(1, 8), *range(9, 16)]

    def error(method: str, keys: list[int]) -> float:
        settings = {"steps": 100} if method == "velocity_field" else {}
        morph = fitted(pair_through(mesh, truth[keys]), method, **settings)
        reached = positions(morph, [index / 16 for index in held_out])
        return float(np.linalg.norm(reached - truth[held_out], axis=2).mean())

    ours = error("velocity_field", [0, 8, 16])
    assert ours < 0.83 * error("linear", [0, 8, 16])
    assert ours < 0.5 * error("velocity_field", [0, 16])
    assert error("arap", [0, 8, 16]) < 0.95 * error("linear", [0, 8, 16])


def test_the_residuals_of_a_flow_are_spread_between_the_poses():
    generator = torch.Generator().manual_seed(0)
    flow = torch.randn((7, 5, 3), generator=generator)
    poses = torch.randn((3, 5, 3), generator=generator)
    poses[0] = flow[0]
    right = through_poses(flow, poses, Pace(0.0, 0.0, 2))
    torch.testing.assert_close(right[::3], poses)
    missed = right - flow
    torch.testing.assert_close(missed[4], missed[3] + (missed[6] - missed[3]) * 7 / 27)


def test_legs_start_anew_from_their_poses():
    poses = torch.tensor([[[0.0, 0, 0]], [[1.0, 1, 0]], [[2.0, 0, 0]]])

    def drift(points: torch.Tensor, time: float) -> torch.Tensor:
        return torch.tensor([2.0, 0.0, 0.0]).expand_as(points)

    path = leg_by_leg(drift, poses, steps=4, method="euler", pace=Pace(0.0, 0.0, 2))
    torch.testing.assert_close(path[:, 0, 0], torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0]))
    torch.testing.assert_close(path[:, 0, 1], torch.tensor([0.0, 0.5, 1.0, 0.5, 0.0]))


def test_the_sequence_preset_trains_one_network_for_all_legs(bending):
    run = Run()
    morph = fitted(pair_through(bar(), bending[:3]), "velocity_field", "sequence", run, **SMALL_SEQUENCE)
    assert morph.time_steps == 10
    met = positions(morph, (0.0, 0.5, 1.0))
    assert np.abs(met - bending[:3]).max() < 1e-5 * size(bending)
    assert 0.0 < run.facts["raw_flow_corr_error_t1"] < 0.05
    again = get("velocity_field").restore(morph.source, *morph.state())
    np.testing.assert_allclose(positions(again, [0.3, 0.7]), positions(morph, [0.3, 0.7]), atol=1e-5)
    np.testing.assert_allclose(again.carry(bending[0], 0.7), morph.carry(bending[0], 0.7), atol=1e-5)
    ridden = morph.carry(bending[0], 0.5)
    assert np.abs(ridden - bending[1]).max() < 1e-4 * size(bending)


def test_matching_with_the_successors_losses_works_for_a_pair_without_stops(bending):
    run = Run()
    pair = pair_through(bar(), bending[:2])
    morph = fitted(pair, "velocity_field", "sequence", run, **SMALL_SEQUENCE)
    assert np.abs(morph.frame(1.0).positions() - bending[1]).max() < 1e-5 * size(bending)
    assert run.warnings == []


def test_a_request_with_stops_meets_them(bending):
    """Whole jobs; one stop in the vertex order of the source, the other a mesh of another order, with a table."""
    mesh = bar()
    source, first, second, target = (mesh.with_positions(pose) for pose in bending)
    order = np.random.default_rng(0).permutation(mesh.n_vertices)
    place = np.argsort(order)
    mixed = MeshData.from_positions(second.positions()[order], mesh.face_offsets, place[mesh.face_indices])
    table = np.stack([order, np.arange(len(order))], axis=1).astype(np.int32)
    stops = (Stop(first), Stop(mixed, table))
    for method in EVERY:
        settings = {"steps": 10} if method == "velocity_field" else {}
        job = train(request_for((source, target), method, stops=stops, settings=settings), Run())
        assert job.report["stops"] == 2
        reached = [frame.mesh.positions() for frame in bake(job.morph, Timeline(7))][::2]
        assert np.abs(np.array(reached) - bending).max() < 1e-5 * size(bending)


def test_surfaces_of_their_own_pass_through_stops_too(bending):
    pair = replace(pair_through(bar(), bending[:3]), topology="remesh")
    frame = fitted(pair, "velocity_field", steps=10).at_resolution(40).frame(0.5)
    distance = closest_on_surface(frame.positions(), bending[1], bar().triangles().astype(np.int64))[0]
    assert distance.mean() < 0.003 * size(bending)
    missed = closest_on_surface(bending[1], frame.positions(), frame.triangles().astype(np.int64))[0]
    assert missed.max() < 0.03 * size(bending)


def test_the_losses_of_the_successor_work_on_the_path_too(bending):
    pair = pair_through(bar(), bending[:3])
    morph = fitted(pair, "velocity_field", steps=20, distortion=1.0, stretching=0.1)
    assert np.abs(morph.frame(0.5).positions() - bending[1]).max() < 1e-5 * size(bending)

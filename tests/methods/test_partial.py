"""Pairs that do not fit: one end is cut, open or in several parts. Nothing explodes, and what is missing is said."""

from __future__ import annotations

import json

import numpy as np
import pytest

from backend.geometry.distance import closest_on_surface
from backend.geometry.edges import edges_of
from backend.geometry.io import read_mesh
from backend.geometry.sampling import sample_surface
from backend.geometry.triangles import diagonal, parts, signed_volume
from backend.pipeline import train
from backend.training.run import Run
from protocol.mesh import MeshData
from tests.meshes import icosphere, triangle_mesh
from tests.methods.conftest import request_for
from tests.shared_data import shared_data

TIMES = np.linspace(0.0, 1.0, 5)
GROWN = 0.1  # of the longest side of the box of both ends
RESOLUTION = 40

QUICK = {"steps": 20, "surface_steps": 20, "time_steps": 4}

BALL = icosphere(3)
KEPT = BALL.triangles()[BALL.positions()[BALL.triangles()].mean(axis=1)[:, 2] > 0.0]
UPPER = np.unique(KEPT)  # vertices of the upper half
DOME = triangle_mesh(BALL.positions()[UPPER], np.searchsorted(UPPER, KEPT))
DOME_TO_BALL = np.stack([np.arange(len(UPPER)), UPPER], axis=1).astype(np.int32)


def joined(*meshes: MeshData) -> MeshData:
    starts = np.cumsum([0, *(mesh.n_vertices for mesh in meshes)])
    triangles = [mesh.triangles() + start for mesh, start in zip(meshes, starts, strict=False)]
    return triangle_mesh(np.concatenate([mesh.positions() for mesh in meshes]), np.concatenate(triangles))


def placed(radius, *middle):
    return BALL.with_positions(radius * BALL.positions() + np.array(middle))


def made(pair, method, topology, times=TIMES, **changes):
    """Frames and report of a job."""
    trained = train(request_for(pair, method, topology=topology, **changes), Run())
    return list(trained.morph.at_resolution(RESOLUTION).frames(times)), trained.report


def assert_nothing_explodes(frames, pair):
    ends = np.concatenate([mesh.positions() for mesh in pair])
    low, high = ends.min(axis=0), ends.max(axis=0)
    room = GROWN * (high - low).max()
    for frame in frames:
        at = frame.positions()
        assert len(frame.triangles())
        assert np.isfinite(at).all()
        assert (at >= low - room).all()
        assert (at <= high + room).all()


def assert_closed(frames):
    for frame in frames:
        assert edges_of(frame.triangles()).closed
        assert signed_volume(frame.positions(), frame.triangles()) > 0


def reached(frame, mesh):
    """Distance to a frame, in diagonals of the mesh, of all but 5 % of a mesh's surface, as some may lie inside."""
    positions, triangles = mesh.positions(), mesh.triangles()
    points = sample_surface(positions, triangles, 2000, np.random.default_rng(0))[0]
    distance = closest_on_surface(points, frame.positions(), frame.triangles())[0]
    return np.quantile(distance, 0.95) / diagonal(positions, triangles)


@pytest.mark.parametrize("settings", [{}, {"mode": "advect", "grid_resolution": 32}, {"carried": True}])
def test_a_dome_grows_into_a_ball(settings):
    pair = DOME, BALL
    frames, report = made(pair, "sdf_blend", "remesh", settings=settings, correspondence="table", pairs=DOME_TO_BALL)
    assert_closed(frames)
    assert_nothing_explodes(frames, pair)
    assert reached(frames[-1], BALL) < 0.01
    assert reached(frames[0], DOME) < 0.02
    volumes = [signed_volume(frame.positions(), frame.triangles()) for frame in frames]
    assert volumes == sorted(volumes)
    assert report["unmatched_source_share"] == 0.0
    assert report["uncovered_target_share"] == pytest.approx(0.48, abs=0.05)
    assert any("no counterpart on the source" in warning for warning in report["warnings"])
    assert any("open" in warning for warning in report["warnings"])


@pytest.mark.parametrize("method", ["linear", "arap"])
def test_a_ball_with_its_lower_half_unmatched_keeps_its_faces(method):
    pair = BALL, DOME.with_positions(1.1 * DOME.positions())
    pairs = np.ascontiguousarray(DOME_TO_BALL[:, ::-1])
    frames, report = made(pair, method, "keep", correspondence="table", pairs=pairs)
    assert_nothing_explodes(frames, pair)
    assert all(np.array_equal(frame.face_indices, BALL.face_indices) for frame in frames)
    assert_closed(frames)  # the half without a counterpart is carried along whole
    assert reached(frames[-1], pair[1]) < 0.01
    assert report["unmatched_source_share"] == pytest.approx(0.5, abs=0.05)
    assert report["uncovered_target_share"] == 0.0
    assert any("source vertices have no counterpart" in warning for warning in report["warnings"])


def test_two_parts_become_one():
    pair = joined(placed(0.6, -0.8, 0, 0), placed(0.6, 0.8, 0, 0)), placed(1.0, 0.0, 0.0, 0.0)
    frames, report = made(pair, "sdf_blend", "remesh")
    assert_closed(frames)
    assert_nothing_explodes(frames, pair)
    assert [parts(frame.n_vertices, frame.triangles())[0] for frame in (frames[0], frames[-1])] == [2, 1]
    assert reached(frames[0], pair[0]) < 0.02
    assert reached(frames[-1], pair[1]) < 0.02
    assert "unmatched_source_share" not in report  # without a match nothing is known of it


def test_a_full_match_misses_nothing():
    moved = BALL.with_positions(BALL.positions() * [1.0, 1.3, 1.0])
    _, report = made((BALL, moved), "linear", "keep")
    assert (report["unmatched_source_share"], report["uncovered_target_share"]) == (0.0, 0.0)
    assert report["warnings"] == []


@pytest.fixture(scope="module")
def cut():
    """The whole elephant, one that was cut, and their table."""
    folder = shared_data()
    if folder is None:
        pytest.skip("the shared test data is not here")
    found = {pair["id"]: pair for pair in json.loads((folder / "manifest.json").read_text())["pairs"]}["elephant_cut"]
    meshes = read_mesh(folder / found["source"]), read_mesh(folder / found["target"])
    return meshes, np.load(folder / found["corr"]).astype(np.int32)


@pytest.mark.parametrize(
    ("method", "topology", "settings"),
    [
        ("sdf_blend", "remesh", {}),
        ("sdf_blend", "remesh", {"carried": True}),
        ("velocity_field", "remesh", QUICK),
        ("arap", "keep", {}),
    ],
)
def test_the_cut_elephant(cut, method, topology, settings):
    pair, pairs = cut
    times = (0.0, 0.6, 1.0)
    frames, report = made(pair, method, topology, times, settings=settings, correspondence="table", pairs=pairs)
    assert_closed(frames)
    assert_nothing_explodes(frames, pair)
    assert reached(frames[-1], pair[1]) < 0.02
    assert report["unmatched_source_share"] == pytest.approx(1963 / 6034, abs=0.01)
    assert report["uncovered_target_share"] < 0.01
    assert any("source vertices have no counterpart" in warning for warning in report["warnings"])
    assert any("open" in warning for warning in report["warnings"])

"""The distance blend: truth for balls, ends, closed frames, the same again from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import backend
from backend.checkpoint import morph_from_bytes, morph_to_bytes
from backend.flow.co_moving import CoMoving
from backend.geometry.distance import closest_on_surface
from backend.geometry.edges import edges_of
from backend.geometry.repair import working_mesh
from backend.geometry.sides import sides_of
from backend.geometry.triangles import parts, signed_volume
from backend.methods.carried_pair import RigidPair
from backend.methods.field_morph import FieldMorph
from backend.methods.method import Pair
from backend.methods.sdf_fields import BlendedField, advected
from backend.pipeline import train
from backend.training.run import Cancelled, Run
from tests.meshes import grid, icosphere, rotation, torus
from tests.methods.conftest import request_for

RESOLUTION = 40


def job(pair, run=None, settings=None, **changes):
    return train(request_for(pair, "sdf_blend", settings=settings or {}, topology="remesh", **changes), run or Run())


def ball(radius=1.0, middle=(0.0, 0.0, 0.0)):
    mesh = icosphere(3)
    return mesh.with_positions(radius * mesh.positions() + np.array(middle))


def still(source, target, mode):
    """The morph of a pair whose shared frame neither turns nor grows."""
    a, b = working_mesh(source, "source"), working_mesh(target, "target")
    rigid = RigidPair(a, b, CoMoving((0.0, 0.0, 0.0), 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0))
    field = BlendedField(rigid, (sides_of(a.positions, a.triangles), sides_of(b.positions, b.triangles)))
    run = Run()
    if mode == "advect":
        field = advected(field, 32, Pair(source, target, a, b, None), run)
    return FieldMorph(source, target, field, RESOLUTION), run


def apart(frame, mesh):
    """Largest distance of a frame's vertices from a mesh."""
    return closest_on_surface(frame.positions(), mesh.positions(), mesh.triangles())[0].max()


def volume(frame):
    return signed_volume(frame.positions(), frame.triangles())


def assert_closed(frame, pieces=1):
    triangles = frame.triangles()
    assert len(triangles)
    assert edges_of(triangles).closed
    assert parts(frame.n_vertices, triangles)[0] == pieces
    assert volume(frame) > 0


@pytest.mark.parametrize("mode", ["blend", "advect"])
def test_a_ball_grows_evenly(mode):
    times = np.linspace(0.0, 1.0, 6)
    morph, run = still(ball(0.7), ball(1.2), mode)
    frames = list(morph.frames(times))
    radii = [np.linalg.norm(frame.positions(), axis=1) for frame in frames]
    assert max(radius.std() for radius in radii) < 0.01
    means = [radius.mean() for radius in radii]
    if mode == "blend":
        np.testing.assert_allclose(means, 0.7 + 0.5 * times, atol=0.01)
    else:
        # The change is counted by volume.
        np.testing.assert_allclose(np.power(means, 3), 0.7**3 + (1.2**3 - 0.7**3) * times, atol=0.15)
    assert (np.diff([volume(frame) for frame in frames]) > 0).all()
    assert run.warnings == []


@pytest.mark.parametrize("mode", ["blend", "advect"])
def test_overlapping_balls_stay_one_piece_and_end_where_they_should(mode):
    source, target = ball(0.8, (-0.5, 0, 0)), ball(0.8, (0.5, 0, 0))
    morph, _ = still(source, target, mode)
    for t in np.linspace(0.0, 1.0, 7):
        assert_closed(morph.frame(t))
    cell = 2.6 / RESOLUTION
    assert apart(morph.frame(0.0), source) < 0.1 * cell
    assert apart(morph.frame(1.0), target) < 0.1 * cell
    assert apart(morph.frame(0.97), target) < 1.5 * cell


def test_advection_says_what_it_cannot_reach():
    morph, run = still(ball(0.5, (-1, 0, 0)), ball(0.5, (1, 0, 0)), "advect")
    assert "cannot be reached by growth" in run.warnings[0]
    assert apart(morph.frame(1.0), ball(0.5, (1, 0, 0))) < 0.01


@pytest.mark.parametrize("settings", [{}, {"mode": "advect", "grid_resolution": 24}, {"carried": True}])
def test_a_turned_pair_turns_as_a_whole_and_comes_back_from_its_file(turned, settings):
    request = request_for(turned, "sdf_blend", settings=settings, topology="remesh")
    trained = train(request, Run())
    assert trained.report["topology"] == "remesh"
    morph = trained.morph.at_resolution(RESOLUTION)
    frames = list(morph.frames([0.0, 0.5, 1.0]))
    for frame in frames:
        assert_closed(frame)
    grown = [volume(frame) / volume(frames[0]) for frame in frames]
    # Similar shapes: only the frame moves, or the triangles grow evenly.
    halfway = 1.25 if settings.get("carried") else 1.5**0.5
    np.testing.assert_allclose(grown, [1.0, halfway**3, 1.5**3], rtol=0.03)
    assert apart(frames[0], turned[0]) < 0.01
    assert apart(frames[2], turned[1]) < 0.015
    restored, facts = morph_from_bytes(morph_to_bytes(trained, request))
    assert facts["method"] == "sdf_blend"
    for one, two in zip(frames, restored.at_resolution(RESOLUTION).frames([0.0, 0.5, 1.0]), strict=True):
        assert one.vertices.tobytes() == two.vertices.tobytes()
        assert one.face_indices.tobytes() == two.face_indices.tobytes()
    there = morph.carry(turned[0].positions(), 1.0)
    np.testing.assert_allclose(there, turned[1].positions(), atol=0.03)


def test_limbs_move_when_they_are_carried(fox):
    truth = np.load(Path(backend.__file__).parent / "data" / "fox_run" / "inbetween.npy")[8].astype(float)  # [V, 3]
    middle = fox[0].with_positions(truth)
    off = []
    for carried in (False, True):
        frame = job(fox, settings={"carried": carried}).morph.at_resolution(64).frame(0.5)
        assert_closed(frame)
        found, _, _ = closest_on_surface(middle.positions(), frame.positions(), frame.triangles())
        off.append(found.mean())
    assert off[1] < 0.7 * off[0]


def test_a_ring_becomes_a_ball_without_any_match():
    trained = job((torus(32, 16), ball(0.9)), settings={"carried": True})
    assert any("no match" in warning for warning in trained.report["warnings"])
    assert "aligning" in trained.report["phases"]
    morph = trained.morph.at_resolution(RESOLUTION)
    genus = []
    for t in np.linspace(0.0, 1.0, 9):
        frame = morph.frame(t)
        assert_closed(frame)
        triangles = frame.triangles()
        genus.append(1 - (frame.n_vertices - len(triangles) // 2) // 2)
    assert genus[0] == 1
    assert genus[-1] == 0
    assert genus == sorted(genus, reverse=True)  # the hole closes once


def test_sheets_become_shells_and_it_is_said():
    square = grid(8, 2.0)
    turn = rotation([1.0, 0.0, 0.0], 40.0)
    trained = job((square, square.with_positions(square.positions() @ turn.T)), settings={"thickness": 0.2})
    assert any("no inside" in warning and "0.2" in warning for warning in trained.report["warnings"])
    morph = trained.morph.at_resolution(RESOLUTION)
    for t in (0.0, 0.5, 1.0):
        frame = morph.frame(t)
        assert_closed(frame)
        assert volume(frame) == pytest.approx(4 * 0.2 + 8 * np.pi * 0.1**2 / 2, rel=0.1)


def test_a_shell_grows_with_its_pair():
    small, large = grid(8, 0.01), grid(8, 10.0)
    morph = job((small, large)).morph.at_resolution(64)
    shares = []
    for t in (0.0, 0.5, 1.0):
        frame = morph.frame(t)
        assert_closed(frame)
        shares.append(np.ptp(frame.positions(), axis=0)[2] / np.ptp(frame.positions(), axis=0)[0])
    np.testing.assert_allclose(shares, 2 / 128, rtol=0.2)
    np.testing.assert_allclose(shares, shares[0], rtol=1e-3)


def test_progress_previews_cancel_and_time():
    seen, phases = [], []
    pair = ball(0.8), ball(0.8).with_positions(ball(0.8).positions() * [1.0, 1.0, 2.0])
    settings = {"mode": "advect", "grid_resolution": 24, "carried": True}

    def on_progress(phase, *_):
        phases.append(phase)

    said = job(pair, Run(on_progress=on_progress, on_preview=seen.append), settings).report["warnings"]
    assert any("no effect" in warning for warning in said)
    assert phases.count("advecting") > 5
    assert_closed(seen[0].at_resolution(24).frame(0.5))
    phases.clear()
    with pytest.raises(Cancelled):
        job(pair, Run(cancelled=lambda: "advecting" in phases, on_progress=on_progress), settings)
    assert phases.count("advecting") == 1
    said = job(pair, Run(seconds=0.0), settings).report["warnings"]
    assert any("time was up" in warning for warning in said)

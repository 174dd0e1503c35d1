"""The similarity that a pair shares, with a match and without one."""

from __future__ import annotations

import numpy as np

from backend.correspondence.vertex_order import from_vertex_order
from backend.geometry.repair import working_mesh
from backend.methods.method import Pair
from backend.methods.targets import frame_of, landed
from backend.training.run import Run
from protocol.mesh import MeshData
from tests.meshes import rotation, torus


def pair_of(source: MeshData, target: MeshData, match: bool) -> Pair:
    found = from_vertex_order(source, target) if match else None
    return Pair(source, target, working_mesh(source, "source"), working_mesh(target, "target"), found)


def test_a_landing_says_how_the_pair_lies(turned: tuple[MeshData, MeshData]) -> None:
    run = Run()
    pair = landed(pair_of(*turned, match=True), run)
    frame = frame_of(pair, run)
    at = frame.leave(frame.enter(pair.source_surface.positions, 0.0), 1.0)
    assert np.allclose(at, pair.target_surface.positions, atol=1e-5)
    assert "aligning" not in run.phase_seconds


def test_without_a_match_the_shapes_say_it() -> None:
    other, turn, place = torus(40, 20), rotation([1, 0, 0], 70), np.array([5.0, 1.0, -2.0])
    target = other.with_positions(2.0 * other.positions() @ turn.T + place)
    run = Run()
    frame = frame_of(pair_of(torus(24, 12), target, match=False), run)
    assert "aligning" in run.phase_seconds
    middle, axis = frame.leave(frame.enter(np.array([[0.0, 0, 0], [0, 0, 1.0]]), 0.0), 1.0)
    assert np.allclose(middle, place, atol=0.05)
    assert abs((axis - middle) @ turn[:, 2]) > 1.9 * 0.99

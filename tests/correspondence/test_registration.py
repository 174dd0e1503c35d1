"""Registration from landmarks and from coarse maps, against maps that are known."""

from __future__ import annotations

import numpy as np
import pytest

from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.matching import match
from backend.correspondence.registration import register_map
from backend.geometry.arrays import Float64, Int64
from backend.geometry.repair import WorkingMesh, working_mesh
from backend.geometry.sampling import farthest_points
from backend.geometry.triangles import areas
from backend.training.run import Run
from tests.meshes import icosphere, limbs, rotation, torus

ENDS = limbs(0)[1]  # [4, 3], directions of the limbs
LENGTHS = np.array([[1.0, 1.4, 1.8, 2.2], [2.0, 0.8, 2.6, 1.2]])  # of the limbs of two shapes


def reach(directions: Float64, lengths: Float64) -> Float64:
    """Places [N, 3] of a shape with limbs of ``lengths`` [4] in ``directions`` [N, 3]."""
    near = np.maximum(directions @ ENDS.T, 0.0) ** 12
    return np.asarray(directions * (1.0 + near @ lengths)[:, None])


def others(number: int) -> tuple[WorkingMesh, Float64]:
    """One of two shapes with limbs of other lengths on meshes that share no vertex; and its vertices' directions."""
    ball = icosphere(4)
    directions = ball.positions() @ rotation([1.0, 2.0, 3.0], 25.0 * number).T
    places = reach(directions, LENGTHS[number])
    places[:, 2] *= 1.0 + 0.4 * number
    return working_mesh(ball.with_positions(places), "mesh"), directions


def error(found: Float64, directions: Float64, target: WorkingMesh) -> Float64:
    """Distances [N] of ``found`` [N, 3] on the second shape from the truth, in square roots of its area."""
    truth = reach(directions, LENGTHS[1]) * [1.0, 1.0, 1.4]
    return np.asarray(np.linalg.norm(found - truth, axis=1) / np.sqrt(areas(target.positions, target.triangles).sum()))


def landmarks(source: WorkingMesh, here: Float64, there: Float64, count: int) -> Int64:
    """Vertex pairs [count, 2] in the same directions, far from each other."""
    chosen = farthest_points(source.positions, count)
    return np.stack([chosen, (here[chosen] @ there.T).argmax(axis=1)], axis=1)


@pytest.mark.parametrize(("count", "limit"), [(5, 0.06), (10, 0.045)])
def test_landmarks_match_shapes_of_other_proportions(count: int, limit: float) -> None:
    (a, here), (b, there) = others(0), others(1)
    found = match(a, b, "auto", landmarks(a, here, there, count), Run())
    assert found.way == "nonrigid"
    apart = error(found.map.points(b.positions, b.triangles), here, b)
    assert apart.mean() < limit


def test_landmarks_are_met() -> None:
    (a, here), (b, there) = others(0), others(1)
    pairs = landmarks(a, here, there, 6)
    found = match(a, b, "nonrigid", pairs, Run()).map
    np.testing.assert_allclose(found.points(b.positions, b.triangles)[pairs[:, 0]], b.positions[pairs[:, 1]], atol=5e-3)
    assert (found.confidence[pairs[:, 0]] == 1.0).all()


def test_a_coarse_map_becomes_smooth() -> None:
    """A tenth of the vertices led anywhere does not matter."""
    (a, here), (b, there) = others(0), others(1)
    exact = match(a, b, "nonrigid", landmarks(a, here, there, 20), Run()).map
    rng = np.random.default_rng(0)
    wrong = rng.permutation(len(here))[: len(here) // 10]
    faces = exact.faces.copy()
    faces[wrong] = rng.integers(len(b.triangles), size=len(wrong))
    torn = type(exact)(faces, exact.weights, np.ones(len(here)), "spectral")
    found = register_map(a, b, torn, np.zeros((0, 2), np.int64), lambda step, steps: None)
    before, after = (error(each.points(b.positions, b.triangles), here, b) for each in (torn, found))
    assert after[wrong].mean() < 0.1 * before[wrong].mean()
    assert after.mean() < 0.03


def test_a_ball_is_matched_as_it_lies() -> None:
    """Every turn of a ball is as good a match, but nobody wants it turned farther than its copy was."""
    a = working_mesh(icosphere(3), "source")
    other = icosphere(3)
    b = working_mesh(other.with_positions(1.5 * other.positions() @ rotation([3.0, 1.0, 2.0], 20.0)), "target")
    found = match(a, b, "auto", np.zeros((0, 2), np.int64), Run())
    assert found.way == "spectral"
    led = found.map.points(b.positions, b.triangles)
    assert np.linalg.norm(led / 1.5 - a.positions, axis=1).max() < 2.0 * np.sin(np.radians(11.0))


def test_two_balls_are_not_matched_by_one_of_them() -> None:
    ball = icosphere(3)
    positions = np.concatenate([ball.positions(), ball.positions() + np.array([3.0, 0.0, 0.0])])
    faces = np.concatenate([ball.triangles(), ball.triangles() + ball.n_vertices])
    two = WorkingMesh(positions, faces, np.arange(len(positions)), ())
    found = match(two, working_mesh(ball, "target"), "auto", np.zeros((0, 2), np.int64), Run())
    assert found.way == "none"
    assert "50%" in found.said[0]


def test_a_mirror_image_is_told() -> None:
    mesh, _ = limbs(3)
    a = working_mesh(mesh, "source")
    flipped = WorkingMesh(a.positions * [-1.0, 1.0, 1.0], a.triangles[:, ::-1], a.vertex_map, ())
    found = match(a, flipped, "auto", np.zeros((0, 2), np.int64), Run())
    assert "mirror" in found.said[0] or found.way == "none"
    assert found.map.confidence.mean() < 0.5


def test_landmarks_lead_where_there_are_too_few_vertices_to_match_by_shape() -> None:
    tiny = working_mesh(icosphere(0), "source")
    pairs = np.stack([np.arange(4)] * 2, axis=1)
    found = match(tiny, tiny, "auto", pairs, Run())
    assert found.way == "nonrigid"
    assert "12 connected vertices" in found.said[0]


def test_landmarks_in_one_place_are_refused() -> None:
    ring = working_mesh(torus(), "source")
    pairs = np.array([[0, 7], [9, 7], [40, 7]])
    with pytest.raises(CorrespondenceError, match="one place"):
        match(ring, ring, "nonrigid", pairs, Run())

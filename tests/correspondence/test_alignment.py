"""Coarse alignment: known similarities are found again, whatever the pair; unlike shapes are laid over each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from backend.correspondence.alignment import coarse_alignment
from backend.correspondence.overlap import most_overlap
from backend.geometry.io import read_mesh
from backend.geometry.normalise import Similarity, similarity_alignment
from backend.geometry.repair import WorkingMesh, working_mesh
from backend.geometry.signed_distance import winding_numbers
from backend.geometry.triangles import diagonal
from backend.training.run import Cancelled
from tests.meshes import icosphere, rotation, torus, triangle_mesh
from tests.shared_data import shared_data

DATA = shared_data()


def never(step: int, steps: int) -> None:
    pass


def knobbly() -> WorkingMesh:
    """A ball with three different knobs: no rotation takes it onto itself."""
    ball = icosphere(3)
    p = ball.positions()
    for where, height in (([1, 0, 0], 1.2), ([0, 1, 0.3], 0.8), ([-0.4, 0.2, 1], 0.5)):
        towards = np.array(where) / np.linalg.norm(where)
        p = p * (1.0 + height * np.exp(-8.0 * (1.0 - p @ towards / np.linalg.norm(p, axis=1))))[:, None]
    return working_mesh(triangle_mesh(p, ball.triangles()), "shape")


def shared(pair: str, role: str) -> WorkingMesh:
    if DATA is None:
        pytest.skip("the shared test data is not here")
    return working_mesh(read_mesh(DATA / pair / f"{role}.obj"), role)


def moved(mesh: WorkingMesh, by: Similarity) -> WorkingMesh:
    return replace(mesh, positions=by.apply(mesh.positions))


def miss(source: WorkingMesh, target: WorkingMesh) -> float:
    """Largest distance, in diagonals, of the aligned vertices from the ones they were made of."""
    at = coarse_alignment(source, target, never)
    assert np.allclose(at.rotation @ at.rotation.T, np.eye(3))
    assert np.linalg.det(at.rotation) > 0
    gap = np.linalg.norm(at.apply(target.positions) - source.positions, axis=1).max()
    return float(gap) / diagonal(source.positions, source.triangles)


def overlap(source: WorkingMesh, target: WorkingMesh, at: Similarity, cells: int = 32) -> float:
    """Volume of the intersection over that of the union, on a grid."""
    placed: NDArray[np.float64] = at.apply(target.positions)
    both = np.concatenate([source.positions, placed])
    low, high = both.min(axis=0), both.max(axis=0)
    axes = [np.linspace(a, b, cells) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    a = winding_numbers(points, source.positions, source.triangles) > 0.5
    b = winding_numbers(points, placed, target.triangles) > 0.5
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize(
    ("axis", "degrees", "scale", "shift"),
    [
        ([0, 0, 1], 0, 1.0, [0, 0, 0]),
        ([0, 0, 1], 5, 1.0, [0.1, 0, 0]),
        ([0, 1, 0], 180, 0.02, [50, -7, 3]),
        ([1, 2, -1], 77, 30.0, [0, 0, 900]),
    ],
)
def test_a_similarity_is_found_again(axis: list[float], degrees: float, scale: float, shift: list[float]) -> None:
    shape = knobbly()
    assert miss(shape, moved(shape, Similarity(rotation(axis, degrees), scale, np.array(shift, float)))) < 0.02


def test_a_shared_mesh_is_found_again() -> None:
    shape = shared("bob_spot", "source")
    size = diagonal(shape.positions, shape.triangles)
    turned = moved(shape, Similarity(rotation([1, -2, 0.5], 130), 0.3, np.array([2.0, 1.0, -3.0]) * size))
    assert miss(shape, turned) < 0.02


def test_a_mirror_image_is_not_mirrored_back() -> None:
    shape = knobbly()
    mirror = replace(shape, positions=shape.positions * [-1.0, 1.0, 1.0], triangles=shape.triangles[:, ::-1])
    at = coarse_alignment(shape, mirror, never)
    assert np.linalg.det(at.rotation) == pytest.approx(1.0)


def test_a_part_is_not_stretched_over_the_whole() -> None:
    whole = knobbly()
    centres = whole.positions[whole.triangles].mean(axis=1)
    part = replace(whole, triangles=whole.triangles[centres[:, 0] > np.quantile(centres[:, 0], 0.35)])
    for source, target in ((whole, part), (part, whole)):
        at = coarse_alignment(source, target, never)
        assert at.scale == pytest.approx(1.0, abs=0.03)
        assert np.abs(at.apply(whole.positions) - whole.positions).max() < 0.1


def test_round_shapes_are_not_turned() -> None:
    ball, ring = working_mesh(icosphere(3), "ball"), working_mesh(torus(), "ring")
    at = coarse_alignment(ring, moved(ball, Similarity(np.eye(3), 2.0, np.array([9.0, 0, 0]))), never)
    assert np.abs(at.apply(np.array([[9.0, 0, 0]]))).max() < 0.15
    assert 0.3 < at.scale < 0.7


@pytest.mark.parametrize(("pair", "least"), [("bob_spot", 0.22), ("bunny_armadillo", 0.35)])
def test_unlike_shapes_stay_upright_and_overlap(pair: str, least: float) -> None:
    source, target = shared(pair, "source"), shared(pair, "target")
    at = coarse_alignment(source, target, never)
    assert np.allclose(at.rotation, np.eye(3))
    assert overlap(source, target, at) > least


def test_poses_of_one_animal_are_turned_onto_each_other() -> None:
    source, target = shared("elephant_turn", "source"), shared("elephant_turn", "target")
    at = coarse_alignment(source, target, never)
    known = similarity_alignment(source.positions, target.positions)
    assert np.degrees(Rotation.from_matrix(at.rotation.T @ known.rotation).magnitude()) < 10.0
    assert at.scale == pytest.approx(known.scale, rel=0.03)


def test_a_block_is_laid_into_a_ball() -> None:
    ball, box = working_mesh(icosphere(3), "ball"), working_mesh(icosphere(0), "block")
    start = Similarity(rotation([0, 0, 1], 30), 1.5, np.array([0.5, 0.4, 0.0]))
    at = most_overlap(ball, box, start)
    assert np.array_equal(at.rotation, start.rotation)
    assert np.abs(at.translation).max() < 0.03
    assert overlap(ball, box, at) > 0.84
    inside_out = replace(box, triangles=box.triangles[:, ::-1])
    assert most_overlap(ball, inside_out, start).scale == pytest.approx(at.scale, rel=1e-6)


def test_the_same_pair_gives_the_same_alignment_and_can_be_stopped() -> None:
    shape = knobbly()
    other = moved(shape, Similarity(rotation([1, 1, 0], 40), 1.0, np.zeros(3)))
    first, again = coarse_alignment(shape, other, never), coarse_alignment(shape, other, never)
    assert np.array_equal(first.rotation, again.rotation)
    assert first.scale == again.scale

    def stop(step: int, steps: int) -> None:
        assert 0 <= step < steps
        if step == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        coarse_alignment(shape, other, stop)

"""The unit box and its inverse; similarity alignment against known motions, wrong pairs among them."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry.normalise import Similarity, UnitBox, similarity_alignment
from tests.meshes import icosphere, rotation


@pytest.mark.parametrize(("size", "shift"), [(1.0, 0.0), (1e-6, 0.0), (1e6, 3.0), (184.0, 1e4)])
def test_unit_box_and_back(size: float, shift: float) -> None:
    points = np.random.default_rng(0).uniform(-size, size, (500, 3)) * [1, 0.5, 0.2] + shift
    box = UnitBox.of(points)
    inside = box.apply(points)
    assert 0.5 < np.abs(inside).max() <= 1.0
    np.testing.assert_allclose(inside.min(axis=0), -inside.max(axis=0), atol=1e-9)
    np.testing.assert_allclose(box.inverse(inside), points, rtol=0, atol=4e-16 * (size + abs(shift)))
    assert np.log2(box.scale) == np.round(np.log2(box.scale))


def test_unit_box_of_what_faces_use() -> None:
    sphere = icosphere(1)
    points = np.concatenate([sphere.positions(), [[50.0, 0, 0]]])
    assert UnitBox.of(points, sphere.triangles()).scale == 1.0


def test_unit_box_of_one_point() -> None:
    box = UnitBox.of(np.array([[2.0, 3.0, 4.0]]))
    np.testing.assert_array_equal(box.apply(np.array([[2.0, 3.0, 4.0]])), np.zeros((1, 3)))


@pytest.mark.parametrize("degrees", [0.0, 22.0, 60.0, 131.0, 160.0, 180.0])
@pytest.mark.parametrize("with_scale", [True, False])
def test_known_similarities_are_found(degrees: float, with_scale: bool) -> None:
    rng = np.random.default_rng(int(degrees))
    source = rng.normal(size=(60, 3))
    true = Similarity(rotation([1, -2, 0.5], degrees), 0.3 if with_scale else 1.0, np.array([5.0, -1.0, 2.0]))
    found = similarity_alignment(source, true.inverse(source), rng.uniform(0.5, 2, 60), with_scale)
    np.testing.assert_allclose(found.apply(true.inverse(source)), source, atol=1e-9)
    np.testing.assert_allclose(found.rotation, true.rotation, atol=1e-9)
    assert found.angle == pytest.approx(degrees, abs=1e-4)
    assert found.scale == pytest.approx(true.scale)


@pytest.mark.parametrize("wrong", [0.1, 0.3])
def test_wrong_pairs_change_little(wrong: float) -> None:
    rng = np.random.default_rng(5)
    source = rng.normal(size=(400, 3))
    true = Similarity(rotation([0, 1, 1], 140), 1.7, np.array([1.0, 2.0, 3.0]))
    target = true.inverse(source + rng.normal(scale=0.01, size=source.shape))
    bad = rng.random(400) < wrong
    target[bad] = rng.permutation(target[bad])
    found = similarity_alignment(source, target, np.ones(400))
    assert np.linalg.norm(found.apply(target) - source, axis=1)[~bad].max() < 0.08
    assert found.scale == pytest.approx(1.7, rel=0.01)


def test_no_reflection_even_of_a_mirrored_shape() -> None:
    source = np.random.default_rng(1).normal(size=(50, 3))
    found = similarity_alignment(source, source * [-1, 1, 1], np.ones(50))
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)
    assert found.scale > 0


def test_pairs_that_say_little_give_what_they_can() -> None:
    nothing = similarity_alignment(np.zeros((0, 3)), np.zeros((0, 3)))
    np.testing.assert_array_equal(nothing.apply(np.ones((1, 3))), np.ones((1, 3)))
    one = similarity_alignment(np.array([[1.0, 2, 3]]), np.array([[0.0, 0, 0]]))
    np.testing.assert_allclose(one.apply(np.zeros((1, 3))), [[1, 2, 3]])
    line = np.linspace(0, 1, 5)[:, None] * [[1.0, 0, 0]]
    turned = similarity_alignment(line @ rotation([0, 0, 1], 90).T, line)
    np.testing.assert_allclose(turned.apply(line), line @ rotation([0, 0, 1], 90).T, atol=1e-9)
    assert np.linalg.det(turned.rotation) == pytest.approx(1.0)


def test_apply_and_inverse_undo_each_other() -> None:
    points = np.random.default_rng(2).normal(size=(20, 3))
    moved = Similarity(rotation([3, 1, 2], 77), 2.5, np.array([1.0, 0, -4]))
    np.testing.assert_allclose(moved.inverse(moved.apply(points)), points, atol=1e-12)

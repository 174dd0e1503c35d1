"""The unit of length; similarity alignment against known motions, wrong pairs among them."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry.normalise import Similarity, similarity_alignment, unit_length
from tests.meshes import rotation


def undone(true: Similarity, points: np.ndarray) -> np.ndarray:
    """The points [N, 3] that ``true`` takes to ``points``."""
    return (points - true.translation) @ true.rotation / true.scale


@pytest.mark.parametrize(("size", "shift"), [(1.0, 0.0), (1e-6, 0.0), (1e6, 3.0), (184.0, 1e4)])
def test_a_unit_is_half_the_size_rounded_up_to_a_power_of_two(size: float, shift: float) -> None:
    points = np.random.default_rng(0).uniform(-size, size, (500, 3)) * [1, 0.5, 0.2] + shift
    unit = unit_length(points)
    assert 1.0 < np.ptp(points, axis=0).max() / unit <= 2.0
    assert np.log2(unit) == np.round(np.log2(unit))


def test_the_unit_of_one_point() -> None:
    assert unit_length(np.array([[2.0, 3.0, 4.0]])) == 1.0


@pytest.mark.parametrize("degrees", [0.0, 22.0, 60.0, 131.0, 160.0, 180.0])
def test_known_similarities_are_found(degrees: float) -> None:
    rng = np.random.default_rng(int(degrees))
    source = rng.normal(size=(60, 3))
    true = Similarity(rotation([1, -2, 0.5], degrees), 0.3, np.array([5.0, -1.0, 2.0]))
    found = similarity_alignment(source, undone(true, source), rng.uniform(0.5, 2, 60))
    np.testing.assert_allclose(found.apply(undone(true, source)), source, atol=1e-9)
    np.testing.assert_allclose(found.rotation, true.rotation, atol=1e-9)
    assert found.scale == pytest.approx(true.scale)


@pytest.mark.parametrize("wrong", [0.1, 0.3])
def test_wrong_pairs_change_little(wrong: float) -> None:
    rng = np.random.default_rng(5)
    source = rng.normal(size=(400, 3))
    true = Similarity(rotation([0, 1, 1], 140), 1.7, np.array([1.0, 2.0, 3.0]))
    target = undone(true, source + rng.normal(scale=0.01, size=source.shape))
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

"""Landmarks: which may be used, and every fault told in words that say which landmark and what to do."""

from __future__ import annotations

import numpy as np
import pytest

from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.landmarks import check_landmarks, landmarks_on
from backend.geometry.repair import working_mesh
from protocol.mesh import MeshData
from tests.meshes import triangle_mesh


def test_landmarks_that_came_over_the_wire() -> None:
    assert check_landmarks(None, 3, 3).shape == (0, 2)
    assert check_landmarks(np.array([[2, 0]], np.int32), 3, 3).tolist() == [[2, 0]]
    with pytest.raises(CorrespondenceError, match="landmarks: landmark 1 names source vertex 3"):
        check_landmarks(np.array([[3, 0]], np.int32), 3, 3)


def split_square(lone: int) -> MeshData:
    """A square of two triangles whose diagonal is double, behind ``lone`` vertices without a face."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    return triangle_mesh(np.concatenate([np.full((lone, 3), 5.0), corners]), np.array([[0, 1, 2], [3, 4, 5]]) + lone)


def test_landmarks_on_the_surfaces() -> None:
    source, target = working_mesh(split_square(2), "source"), working_mesh(split_square(0), "target")
    found = landmarks_on(np.array([[3, 0], [4, 4]]), source, target)
    np.testing.assert_array_equal(source.positions[found[:, 0]], [[1, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(target.positions[found[:, 1]], [[0, 0, 0], [1, 1, 0]])
    assert landmarks_on(np.zeros((0, 2), np.int64), source, target).shape == (0, 2)
    with pytest.raises(CorrespondenceError, match="landmark 2 names source vertex 1, which is no corner of a face"):
        landmarks_on(np.array([[3, 0], [1, 1]]), source, target)
    with pytest.raises(
        CorrespondenceError, match="landmarks 1 and 2 name target vertices 2 and 4, which lie at one place"
    ):
        landmarks_on(np.array([[3, 2], [5, 4]]), source, target)

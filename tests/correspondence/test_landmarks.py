"""Landmarks: what a file may hold, and every fault told in words that say which landmark and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.landmarks import check_landmarks, landmarks_on, read_landmarks
from backend.geometry.repair import working_mesh
from protocol.mesh import MeshData
from tests.meshes import triangle_mesh


def written(folder: Path, content: object) -> Path:
    path = folder / "clicks.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("pairs", [[], [[0, 3]], [[4, 0], [0, 3], [2, 1]], [[k, 49 - k] for k in range(50)]])
def test_what_a_file_holds(tmp_path: Path, pairs: list[list[int]]) -> None:
    found = read_landmarks(written(tmp_path, {"pairs": pairs, "names": ["nose"]}), 50, 50)
    assert found.dtype == np.int64
    assert found.shape == (len(pairs), 2)
    assert found.tolist() == pairs


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is no JSON"),
        ('{"pairs": [[0, 1]', "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("\x00\xff", "is no JSON"),
        ([[0, 1]], "has no list called pairs"),
        ({"pair": [[0, 1]]}, "has no list called pairs"),
        ({"pairs": {"0": 1}}, "has no list called pairs"),
        ({"pairs": [[0, 1], 7]}, "landmark 2 is 7, not two vertex numbers"),
        ({"pairs": [[0, 1, 2]]}, "landmark 1 is [0, 1, 2], not two"),
        ({"pairs": [[0, 1.5]]}, "landmark 1 is [0, 1.5], not two"),
        ({"pairs": [[0, "1"]]}, "not two vertex numbers"),
        ({"pairs": [[0, True]]}, "not two vertex numbers"),
        ({"pairs": [[0, None]]}, "not two vertex numbers"),
        ({"pairs": [[0, 2**70]]}, "not two vertex numbers"),
        ({"pairs": [[0, 1], [5, 2]]}, "landmark 2 names source vertex 5, but the source has 5 vertices (0 to 4)"),
        ({"pairs": [[0, 1], [2, -1]]}, "landmark 2 names target vertex -1, but the target has 60 vertices (0 to 59)"),
        ({"pairs": [[0, 1], [2, 3], [0, 2]]}, "landmarks 1 and 3 both name source vertex 0; delete one of the two"),
        ({"pairs": [[0, 1], [2, 3], [4, 3]]}, "landmarks 2 and 3 both name target vertex 3; delete one of the two"),
        ({"pairs": [[k, k] for k in range(51)]}, "holds 51 pairs; at most 50"),
    ],
)
def test_what_a_file_cannot_hold(tmp_path: Path, content: object, words: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(CorrespondenceError) as error:
        read_landmarks(path, 5, 60)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)
    assert len(str(error.value)) < 400


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CorrespondenceError, match=r"absent\.json: cannot be read \(No such file"):
        read_landmarks(tmp_path / "absent.json", 5, 5)
    with pytest.raises(CorrespondenceError, match="cannot be read"):
        read_landmarks(tmp_path, 5, 5)


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

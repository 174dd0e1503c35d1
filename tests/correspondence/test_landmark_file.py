"""A file of landmarks: what it may hold, and every fault told in words that say which landmark and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.landmark_file import read_landmarks
from protocol.mesh import MeshData, MeshError
from tests.meshes import icosphere, triangle_mesh


def loose(count: int) -> MeshData:
    """Vertices without a face: pairs of numbers need none."""
    return triangle_mesh(np.zeros((count, 3)), np.zeros((0, 3), int))


def written(folder: Path, content: object) -> Path:
    path = folder / "clicks.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("pairs", [[], [[0, 3]], [[4, 0], [0, 3], [2, 1]], [[k, 49 - k] for k in range(50)]])
def test_what_a_file_holds(tmp_path: Path, pairs: list[list[int]]) -> None:
    found = read_landmarks(written(tmp_path, {"pairs": pairs, "names": ["nose"]}), loose(50), loose(50))
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
        ([[0, 1]], "has no list called pairs, and none called points"),
        ({"pair": [[0, 1]]}, "has no list called pairs, and none called points"),
        ({"pairs": {"0": 1}}, "pairs is no list"),
        ({"pairs": [], "points": 5}, "points is no list"),
        ({"points": [[0, 1]]}, "landmark 1 is [0, 1], not two points of three finite numbers"),
        ({"points": [[[0, 0, 0]]]}, "landmark 1 is [[0, 0, 0]], not two points"),
        ({"points": [[[0, 0], [1, 1]]]}, "not two points"),
        ({"points": [[[0, 0, 0], [1, 1, True]]]}, "not two points"),
        ({"points": [[[0, 0, 0], [1, 1, "2"]]]}, "not two points"),
        ('{"points": [[[0, 0, 0], [1, NaN, 1]]]}', "not two points"),
        ('{"points": [[[0, 0, 0], [1, 1e400, 1]]]}', "not two points"),
        ({"points": [[[0, 0, 0], [1, 10**400, 1]]]}, "not two points"),
        ({"pairs": [[0, 1]], "points": [7]}, "landmark 2 is 7, not two points"),
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
        read_landmarks(path, loose(5), loose(60))
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)
    assert len(str(error.value)) < 500


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CorrespondenceError, match=r"absent\.json: cannot be read \(No such file"):
        read_landmarks(tmp_path / "absent.json", loose(5), loose(5))
    with pytest.raises(CorrespondenceError, match="cannot be read"):
        read_landmarks(tmp_path, loose(5), loose(5))


def test_points_become_the_vertices_next_to_them(tmp_path: Path) -> None:
    """Points a little off the surface and between vertices; vertices without a face are not taken."""
    ball, lifted = icosphere(2, 2.0), icosphere(2, 2.0)
    at = lifted.positions() + np.array([1e4, 0.0, 50.0])
    stray = np.concatenate([at[[7]], at])  # a vertex without a face, at the place of another
    target = MeshData.from_positions(stray, lifted.face_offsets, lifted.face_indices + 1)
    picked = [3, 60, 7]
    points = [[(1.02 * ball.positions()[k]).tolist(), (at[k] + 0.05).tolist()] for k in picked]
    found = read_landmarks(written(tmp_path, {"points": points}), ball, target)
    assert found.tolist() == [[k, k + 1] for k in picked]
    both = read_landmarks(written(tmp_path, {"points": points, "pairs": [[5, 9]]}), ball, target)
    assert both.tolist() == [[5, 9], *([k, k + 1] for k in picked)]


def test_points_that_are_on_no_surface(tmp_path: Path) -> None:
    ball = icosphere(2)
    on, off = [0.0, 0.0, 1.0], [0.0, 0.0, 1.5]
    path = written(tmp_path, {"pairs": [[0, 1]], "points": [[on, on], [on, off]]})
    with pytest.raises(CorrespondenceError) as error:
        read_landmarks(path, ball, ball)
    assert "landmark 3 names the point (0, 0, 1.5), which is 0.5 away from the target, whose" in str(error.value)
    path = written(tmp_path, {"points": [[on, on], [[0.0, 0.01, 1.0], [1.0, 0.0, 0.0]]]})
    with pytest.raises(CorrespondenceError, match="landmarks 1 and 2 both name source vertex"):
        read_landmarks(path, ball, ball)
    with pytest.raises(MeshError, match="target: there are no faces"):
        read_landmarks(path, ball, loose(5))
    path = written(tmp_path, {"points": [[on, on]] * 51})
    with pytest.raises(CorrespondenceError, match="holds 51 pairs; at most 50"):
        read_landmarks(path, ball, ball)

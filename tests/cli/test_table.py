"""Correspondence tables: the three forms that are read, and a plain refusal of everything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.table import check_pairs, read_table


def saved(path: Path, array: NDArray[np.generic]) -> Path:
    np.save(path, array, allow_pickle=array.dtype == object)
    return path


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint16, np.uint64, ">i4"])
def test_pairs_of_any_whole_type(tmp_path: Path, dtype: object) -> None:
    pairs, weights = read_table(saved(tmp_path / "t.npy", np.array([[0, 2], [1, 2]], dtype)), 3)
    assert pairs.dtype == np.int64
    assert pairs.tolist() == [[0, 2], [1, 2]]
    assert weights is None


def test_map_with_holes(tmp_path: Path) -> None:
    pairs, weights = read_table(saved(tmp_path / "t.npy", np.array([4, -1, 4, 0])), 4)
    assert pairs.tolist() == [[0, 4], [2, 4], [3, 0]]
    assert weights is None


def test_pairs_with_weights(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", pairs=np.array([[0, 1], [2, 3]]), weights=np.array([0.5, 2.0], np.float32))
    pairs, weights = read_table(tmp_path / "t.npz", 3)
    found = check_pairs(pairs, weights, 3, 4)
    assert found.source.tolist() == [0, 2]
    assert found.target.tolist() == [1, 3]
    assert found.weights.tolist() == [0.5, 2.0]
    assert found.way == "table"


def test_weights_are_one_when_none_are_given() -> None:
    assert check_pairs(np.array([[0, 0]]), None, 1, 1).weights.tolist() == [1.0]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 3), int), "4x3"),
        (np.zeros((4, 2)), "float64"),
        (np.zeros((4, 2), bool), "bool"),
        (np.zeros((2, 2, 2), int), "2x2x2"),
        (np.array(7), "single number"),
        (np.zeros(5, int), "5 entries"),
        (np.array([0, -2, 1, 1]), "entry 1 is -2"),
        (np.array([[0, 2**64 - 1]], np.uint64), "beyond every mesh; if -1 was meant"),
        (np.array([["a", "b"]]), "<U1"),
        (np.array([[{}, 1]], object), "is not a table"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, array: NDArray[np.generic], words: str) -> None:
    with pytest.raises(CorrespondenceError, match=r"t\.npy") as error:
        read_table(saved(tmp_path / "t.npy", array), 4)
    assert words in str(error.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("0 1\n1 2\n")
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04rest")
    np.savez(tmp_path / "named.npz", table=np.zeros((2, 2), int))
    for name, words in [
        ("text.npy", "is not a table"),
        ("empty.npy", "is not a table"),
        ("torn.npz", "is not a table"),
        ("named.npz", "has no pairs and no weights"),
        ("absent.npy", "No such file"),
    ]:
        with pytest.raises(CorrespondenceError, match=words) as error:
            read_table(tmp_path / name, 4)
        assert name in str(error.value)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([[0, 0], [5, 1]], "row 1 names source vertex 5, but the source has 5 vertices"),
        ([[0, -1]], "row 0 names target vertex -1"),
        (np.zeros((0, 2), int), "holds no pair"),
        ([[0, 3], [1, 3], [4, 3]], "all 3 pairs name target vertex 3"),
    ],
)
def test_pairs_that_cannot_be(pairs: object, words: str) -> None:
    with pytest.raises(CorrespondenceError) as error:
        check_pairs(np.asarray(pairs), None, 5, 5, "match.npy")
    assert str(error.value).startswith("match.npy: ")
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1.0, np.nan], "weight 1 is nan"),
        ([np.inf, 1.0], "weight 0 is inf"),
        ([1.0, 0.0], "weight 1 is 0"),
        ([-1.0, 1.0], "weight 0 is -1"),
        ([1.0], "2 pairs but 1 weights"),
        ([[1.0], [1.0]], "one number for every pair"),
    ],
)
def test_weights_that_cannot_be(weights: object, words: str) -> None:
    with pytest.raises(CorrespondenceError) as error:
        check_pairs(np.array([[0, 0], [1, 1]]), np.asarray(weights), 2, 2)
    assert words in str(error.value)

"""The correspondence table of a file, as the pairs and weights of a ``MorphRequest``."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .problem import Problem
from .protocol.mesh import Float32, Int32

FORMS = (
    "A table is an .npy file with two columns of vertex numbers (source, target), an .npy file with one target vertex "
    "for every source vertex (-1: none), or an .npz file with pairs and weights"
)


def read_table(path: Path, n_source: int) -> tuple[Int32, Float32 | None]:
    """Pairs [K, 2] and weights [K]. Whether the numbers fit the two meshes is for the backend to say, but not whether
    a map does: it has no end once it is pairs."""
    try:
        with path.open("rb") as file:
            loaded: Any = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return _pairs(loaded, path, n_source), None
            with loaded:
                if "pairs" not in loaded.files or "weights" not in loaded.files:
                    raise Problem(f"{path.name} has no pairs or no weights. {FORMS}.")
                return _two_columns(loaded["pairs"], path), _weights(loaded["weights"], path)
    except OSError as error:
        raise Problem(f"The table {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise Problem(f"{path.name} is not a table. {FORMS}.", str(error)) from error


def _pairs(array: NDArray[Any], path: Path, n_source: int) -> Int32:
    if array.ndim != 1:
        return _two_columns(array, path)
    matched = _whole(array, path)
    if len(matched) != n_source or (matched < -1).any():
        raise Problem(
            f"{path.name} is a map of {len(matched)} numbers from {matched.min(initial=0)} up, but the source has "
            f"{n_source} vertices, and -1 means none. {FORMS}."
        )
    known = np.flatnonzero(matched >= 0)
    return np.ascontiguousarray(np.stack([known, matched[known]], axis=1), np.int32)


def _two_columns(array: NDArray[Any], path: Path) -> Int32:
    if array.ndim != 2 or array.shape[1] != 2:
        raise Problem(f"{path.name} holds an array of shape {' x '.join(map(str, array.shape))}. {FORMS}.")
    return _whole(array, path)


def _whole(array: NDArray[Any], path: Path) -> Int32:
    if array.dtype.kind not in "iu":
        raise Problem(f"{path.name} holds {array.dtype} values; vertex numbers are whole numbers. {FORMS}.")
    if array.size and (int(array.max()) > np.iinfo(np.int32).max or int(array.min()) < np.iinfo(np.int32).min):
        raise Problem(f"{path.name} holds a number beyond every vertex. Check that it is a table of vertex numbers.")
    return np.ascontiguousarray(array, np.int32)


def _weights(array: NDArray[Any], path: Path) -> Float32:
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise Problem(f"{path.name}: weights must be one number for every pair. {FORMS}.")
    return np.ascontiguousarray(array, np.float32)

"""The match read from a table: index pairs, pairs with weights, or a map from every source vertex."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.correspondence.correspondence import Correspondence, CorrespondenceError
from protocol.messages import CORRESPONDENCES

FORMS = (
    "a table is a .npy with whole numbers [K, 2] (source vertex, target vertex), a .npy with one target vertex for "
    "every source vertex (-1: none), or a .npz with `pairs` [K, 2] and `weights` [K]"
)


def read_table(path: Path, n_source: int) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """The pairs [K, 2] and weights [K] of a table file. Raises ``CorrespondenceError``."""
    arrays = _load(path)
    if set(arrays) == {""}:
        return _pairs(arrays[""], n_source, str(path)), None
    missing = [name for name in ("pairs", "weights") if name not in arrays]
    if missing:
        raise CorrespondenceError(f"{path}: has no {' and no '.join(missing)}; {FORMS}")
    return _two_columns(arrays["pairs"], f"{path} (pairs)"), _weights(arrays["weights"], str(path))


def _load(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of an .npz by name, or the one array of an .npy under the name ""."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"": loaded}
            with loaded:
                return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, OSError) and error.strerror:
            raise CorrespondenceError(
                f"{path}: cannot be read ({error.strerror}); name the file of a table (morph takes "
                f"{', '.join(way for way in CORRESPONDENCES if way != 'table')} in its place)"
            ) from error
        raise CorrespondenceError(f"{path}: is not a table; {FORMS}") from error


def check_pairs(
    pairs: NDArray[np.integer[Any]],  # [K, 2]
    weights: NDArray[np.floating[Any]] | None,  # [K]
    n_source: int,
    n_target: int,
    name: str = "correspondence table",
) -> Correspondence:
    """The checked ``Correspondence`` of pairs that came from a file or over the wire."""
    pairs = _two_columns(np.asarray(pairs), name)
    if not len(pairs):
        raise CorrespondenceError(f"{name}: holds no pair; give at least one source and target vertex that match")
    for column, (role, count) in enumerate((("source", n_source), ("target", n_target))):
        outside = np.flatnonzero((pairs[:, column] < 0) | (pairs[:, column] >= count))
        if len(outside):
            row = int(outside[0])
            raise CorrespondenceError(
                f"{name}: row {row} names {role} vertex {int(pairs[row, column])}, but the {role} has {count} vertices "
                f"(0 to {count - 1}); {len(outside)} of {len(pairs)} rows are out of range: count vertices from 0 and "
                "check that the table belongs to these meshes in this order"
            )
    if len(np.unique(pairs[:, 0])) > 1 and len(np.unique(pairs[:, 1])) == 1:
        raise CorrespondenceError(
            f"{name}: all {len(pairs)} pairs name target vertex {int(pairs[0, 1])}, which gives a point and no shape; "
            "the second column names a target vertex for the source vertex of the first"
        )
    checked = np.ones(len(pairs)) if weights is None else _weights(np.asarray(weights), name)
    if len(checked) != len(pairs):
        raise CorrespondenceError(f"{name}: has {len(pairs)} pairs but {len(checked)} weights; give one for every pair")
    return Correspondence(pairs[:, 0].copy(), pairs[:, 1].copy(), checked, "table")


def _pairs(array: NDArray[np.generic], n_source: int, name: str) -> NDArray[np.int64]:
    """Pairs [K, 2] of either form of a plain array."""
    if array.ndim != 1:
        return _two_columns(array, name)
    mapped = _whole_numbers(array, name)
    if len(mapped) != n_source:
        raise CorrespondenceError(
            f"{name}: is a map of {len(mapped)} entries, but the source has {n_source} vertices; {FORMS}"
        )
    low = np.flatnonzero(mapped < -1)
    if len(low):
        raise CorrespondenceError(
            f"{name}: entry {int(low[0])} is {int(mapped[low[0]])}; a map holds target vertices, or -1 for none"
        )
    known = np.flatnonzero(mapped >= 0)
    return np.stack([known, mapped[known]], axis=1)


def _two_columns(array: NDArray[np.generic], name: str) -> NDArray[np.int64]:
    if array.ndim != 2 or array.shape[1] != 2:
        shape = "x".join(str(n) for n in array.shape) or "a single number"
        raise CorrespondenceError(f"{name}: has the shape {shape}; {FORMS}")
    return _whole_numbers(array, name)


def _whole_numbers(array: NDArray[np.generic], name: str) -> NDArray[np.int64]:
    if array.dtype.kind not in "iu":
        raise CorrespondenceError(
            f"{name}: holds {array.dtype} values, and vertex numbers are whole numbers; "
            "save it again with .astype(numpy.int32)"
        )
    if array.size and array.dtype.kind == "u" and int(array.max()) > np.iinfo(np.int64).max:
        raise CorrespondenceError(
            f"{name}: holds the vertex number {int(array.max())}, beyond every mesh; if -1 was meant, save it again "
            "with .astype(numpy.int32)"
        )
    return array.astype(np.int64)


def _weights(array: NDArray[np.generic], name: str) -> NDArray[np.float64]:
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise CorrespondenceError(
            f"{name}: weights have the shape {list(array.shape)} and type {array.dtype}; give one number for every pair"
        )
    weights = array.astype(np.float64)
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights > 0)))
    if len(bad):
        raise CorrespondenceError(
            f"{name}: weight {int(bad[0])} is {weights[bad[0]]:g}; weights are finite and above 0 "
            f"({len(bad)} of {len(weights)} are not): leave out the pairs that you do not trust"
        )
    return weights

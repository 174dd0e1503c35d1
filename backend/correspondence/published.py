"""Matches in the files that shape-matching papers publish. Both layouts count vertices from 1.

``A-B_p2p.npy``: for every vertex of B the vertex of A; a number beyond A's vertices says that it has none.
``A.vts``: line k is the vertex of A at place k of a template; line k of A matches line k of B.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.correspondence.correspondence import CorrespondenceError

Int = NDArray[np.int64]


def read_p2p(path: Path, n_source: int, n_target: int) -> Int:
    """Pairs [K, 2] of source (A) and target (B) vertices, counted from 0, in the order of B's vertices."""
    try:
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
    except OSError as error:
        raise CorrespondenceError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, EOFError) as error:
        raise CorrespondenceError(f"{path}: is not an .npy file with one array of numbers; export it again") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        raise CorrespondenceError(f"{path}: holds no array of numbers; export the vertex numbers of A alone")
    if array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    if array.ndim == 2:  # the first row is the match
        array = array[0]
    if array.ndim != 1 or len(array) != n_target:
        shape = "x".join(str(n) for n in array.shape) or "a single number"
        raise CorrespondenceError(
            f"{path}: has the shape {shape}, but the second mesh of its name has {n_target} vertices; the file holds "
            "one vertex of the first mesh for every vertex of the second: check the order of the two names"
        )
    numbers = _counted_from_1(array, str(path), "entry")
    known = np.flatnonzero(numbers < n_source)
    if not len(known):
        raise CorrespondenceError(
            f"{path}: no number lies in 1 to {n_source}, the vertices of the first mesh, so nothing is matched; check "
            "that it belongs to these meshes in this order"
        )
    return np.stack([numbers[known], known], axis=1)


def read_vts(path: Path, n_vertices: int) -> Int:
    """The vertex [L], counted from 0, at every place of the template."""
    try:
        words = path.read_text(encoding="ascii").split()
        array = np.array(words, dtype=np.float64)
    except OSError as error:
        raise CorrespondenceError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise CorrespondenceError(f"{path}: is not a list with one vertex number on each line") from error
    if not len(array):
        raise CorrespondenceError(f"{path}: is empty; it holds one vertex number on each line")
    numbers = _counted_from_1(array, str(path), "line")
    outside = np.flatnonzero(numbers >= n_vertices)
    if len(outside):
        line = int(outside[0])
        raise CorrespondenceError(
            f"{path}: line {line + 1} names vertex {int(numbers[line]) + 1}, but its mesh has {n_vertices}; the file "
            "belongs to another mesh, or the mesh has lost vertices since (load it without merging them)"
        )
    return numbers


def vts_pairs(source: Int, target: Int, names: tuple[str, str]) -> Int:
    """Pairs [K, 2] of two shapes from their lists; a pair that comes twice is there once."""
    if len(source) != len(target):
        raise CorrespondenceError(
            f"{names[0]} has {len(source)} lines and {names[1]} has {len(target)}; line k of one matches line k of the "
            "other, so they must have the same number"
        )
    return np.unique(np.stack([source, target], axis=1), axis=0)


def _counted_from_1(array: NDArray[np.generic], name: str, unit: str) -> Int:
    """The numbers less 1; ``unit`` is what a number of the file is called."""
    with np.errstate(invalid="ignore"):
        numbers = array.astype(np.float64)
        bad = np.flatnonzero(~(np.isfinite(numbers) & (numbers == np.floor(numbers)) & (np.abs(numbers) < 2**53)))
    if len(bad):
        first = int(bad[0])
        raise CorrespondenceError(f"{name}: {unit} {first + 1} is {numbers[first]:g}, which is not a vertex number")
    low = np.flatnonzero(numbers < 1)
    if len(low):
        first = int(low[0])
        raise CorrespondenceError(
            f"{name}: {unit} {first + 1} is {numbers[first]:g}; these files count vertices from 1, so add 1 to every "
            "number if yours start at 0"
        )
    return numbers.astype(np.int64) - 1

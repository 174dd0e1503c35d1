"""A dataset as a folder: arrays named as those of the 1-Lipschitz paper's code, and what they mean in one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

import backend
from backend.geometry.array_format import read_array
from backend.geometry.arrays import Float64
from backend.geometry.shape import UnitFrame
from backend.surfaces.dataset import ARRAYS, MODES, Dataset
from protocol.mesh import MeshError

FACTS: Final = "dataset.json"
RESULT: Final = "dataset"  # what the file says that the folder is
FORMAT: Final = "tweenfield-dataset-1"
# The published code (Coiffier and Bethune, SGP 2024) calls the arrays of a mode so.
NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "signed": {"on": "Xtrain_on", "inside": "Xtrain_in", "outside": "Xtrain_out", "normals": "Nrml"},
    "unsigned": {"on": "Xtrain_on", "outside": "Xtrain_out"},
    "dist": {"points": "Xtrain", "distances": "Ytrain"},
    "sal": {"on": "Xtrain_on", "points": "Xtrain_out", "distances": "Ytrain_out", "normals": "Nrml"},
}
TEST: Final = ("Xtest", "Ytest")
AGAIN: Final = "make the dataset again"
LARGEST = 1e6  # units: no point of a dataset is so far away


def write_dataset(folder: Path, data: Dataset, name: str, source: Mapping[str, Any] | None = None) -> None:
    """Writes into an existing folder: float32 arrays ``NAME_Xtrain_on.npy``... in the unit frame, and ``dataset.json``.

    ``source`` is added to the facts, of plain types.
    """
    arrays = {NAMES[data.mode][key]: values for key, values in data.arrays.items()}
    if data.test_points is not None and data.test_distances is not None:
        arrays |= dict(zip(TEST, (data.test_points, data.test_distances), strict=True))
    for array, values in arrays.items():
        np.save(folder / f"{name}_{array}.npy", values.astype(np.float32))
    facts = {
        "result": RESULT,
        "versions": {"tweenfield": backend.__version__},
        "format": FORMAT,
        "name": name,
        "mode": data.mode,
        "centre": data.frame.centre.tolist(),
        "length": data.frame.length,
        "low": data.low.tolist(),
        "high": data.high.tolist(),
        "arrays": {array: list(values.shape) for array, values in arrays.items()},
        "facts": {**data.facts, **(source or {})},
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def read_dataset(folder: Path) -> Dataset:
    """The dataset of a folder. Raises ``MeshError``, which names the file, for one that is missing or damaged."""
    facts = _facts(folder)
    dimension, names = len(facts["low"]), NAMES[facts["mode"]]
    count: dict[str, int] = {}  # rows of points, which their distances and normals must have, too
    arrays = {}
    for key in ARRAYS[facts["mode"]]:
        if key == "normals" and names[key] not in facts["arrays"]:
            continue
        width = None if key == "distances" else dimension
        rows = count.get({"distances": "points", "normals": "on"}.get(key, ""))
        arrays[key] = _array(folder, facts["name"], names[key], width, rows)
        count[key] = len(arrays[key])
    test_points = test_distances = None
    if TEST[0] in facts["arrays"]:
        test_points = _array(folder, facts["name"], TEST[0], dimension, None)
        test_distances = _array(folder, facts["name"], TEST[1], None, len(test_points))
    frame = UnitFrame(np.array(facts["centre"], np.float64), float(facts["length"]))
    low, high = np.array(facts["low"], np.float64), np.array(facts["high"], np.float64)
    return Dataset(facts["mode"], frame, low, high, arrays, test_points, test_distances, facts=facts["facts"])


def _facts(folder: Path) -> dict[str, Any]:
    """What the JSON file says, every entry of the right type."""
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MeshError(f"{folder}: holds no {FACTS}, so it is no dataset; name a folder of `dataset`") from None
    except (OSError, ValueError) as error:
        raise MeshError(f"{path}: cannot be read ({error}); {AGAIN}") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise MeshError(f"{path}: is not of format {FORMAT}; {AGAIN}")
    sizes = {len(facts[key]) for key in ("centre", "low", "high") if _numbers(facts.get(key))}
    sound = (
        sizes <= {2, 3}
        and len(sizes) == 1
        and all(_numbers(facts.get(key)) for key in ("centre", "low", "high"))
        and _numbers([facts.get("length")])
        and facts["length"] > 0.0
        and facts.get("mode") in MODES
        and isinstance(facts.get("name"), str)
        and Path(facts["name"]).name == facts["name"]
        and isinstance(facts.get("arrays"), dict)
        and isinstance(facts.get("facts"), dict)
    )
    if not sound:
        raise MeshError(f"{path}: is damaged, or of another version; {AGAIN}")
    return facts


def _numbers(values: Any) -> bool:
    """Whether ``values`` is a list of finite numbers."""
    plain = isinstance(values, list) and all(type(v) in (int, float) for v in values)
    return plain and bool(np.isfinite(values).all())


def _array(folder: Path, name: str, array: str, width: int | None, rows: int | None) -> Float64:
    """An array [rows, width], or [rows] without a width."""
    path = folder / f"{name}_{array}.npy"
    values = read_array(path, AGAIN, LARGEST)
    if width is None and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]  # as some versions of the published code write distances
    wanted = (rows if rows is not None else len(values) if values.ndim else -1,) + (() if width is None else (width,))
    if values.shape != wanted or not len(values):
        told = " x ".join("N" if rows is None and k == 0 else str(n) for k, n in enumerate(wanted))
        raise MeshError(f"{path}: has the shape {values.shape} instead of {told}; {AGAIN}")
    return values

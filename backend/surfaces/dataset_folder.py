"""A dataset as a folder: arrays named as those of the 1-Lipschitz paper's code, and what they mean in one JSON file."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
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
ARRAY: Final = re.compile(r"(?P<name>.+)_(?P<array>[XY]train(_on|_in|_out)?|[XY]test|Nrml)")
TOLD_BY: Final = {"signed": "Xtrain_in", "sal": "Ytrain_out", "dist": "Ytrain", "unsigned": "Xtrain_out"}
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
    if not (folder / FACTS).exists() and folder.is_dir():
        return _published(folder)
    facts = _facts(folder)
    arrays, tests = _arrays(folder, facts["name"], facts["mode"], facts["arrays"], len(facts["low"]))
    frame = UnitFrame(np.array(facts["centre"], np.float64), float(facts["length"]))
    low, high = np.array(facts["low"], np.float64), np.array(facts["high"], np.float64)
    return Dataset(facts["mode"], frame, low, high, arrays, *tests, facts=facts["facts"])


def _published(folder: Path) -> Dataset:
    """A dataset of the published code, arrays alone. Their lengths and places are taken for those of the shape."""
    files = sorted(folder.glob("*.npy"))
    found = [known for known in (ARRAY.fullmatch(path.stem) for path in files) if known is not None]
    there = {known["array"] for known in found}
    mode = next((mode for mode, array in TOLD_BY.items() if array in there), None)
    if mode is None:
        raise MeshError(
            f"{folder}: holds no {FACTS} and no arrays of the 1-Lipschitz paper's code, so it is no dataset; name a "
            "folder of `dataset`"
        )
    names = sorted({known["name"] for known in found})
    if len(names) > 1:
        raise MeshError(
            f"{folder}: holds arrays of several shapes ({', '.join(names[:4])}); put those of one into a folder of "
            "their own"
        )
    points = NAMES[mode].get("outside") or NAMES[mode]["points"]
    width = read_array(folder / f"{names[0]}_{points}.npy", AGAIN, LARGEST).shape[-1:]
    arrays, tests = _arrays(folder, names[0], mode, there, 2 if width == (2,) else 3)
    on = arrays["on"] if "on" in arrays else arrays["points"][arrays["distances"] == 0.0]
    if not len(on):
        raise MeshError(f"{folder}: none of its points is on the shape, at distance 0; {AGAIN}")
    frame = UnitFrame.around(on)
    distances = np.abs if mode in ("sal", "unsigned") else np.asarray  # some of these are signed there
    for key, values in arrays.items():
        if key == "distances":
            arrays[key] = distances(values) / frame.length
        elif key != "normals":
            arrays[key] = frame.enter(values)
    if tests[0] is not None and tests[1] is not None:
        tests = frame.enter(tests[0]), distances(tests[1]) / frame.length
    return Dataset(mode, frame, on.min(axis=0), on.max(axis=0), arrays, *tests, facts={"input": str(folder)})


def _arrays(
    folder: Path, name: str, mode: str, there: Collection[str], dimension: int
) -> tuple[dict[str, Float64], tuple[Float64 | None, Float64 | None]]:
    """The arrays of a mode, and the points and distances of the test set."""
    names = NAMES[mode]
    count: dict[str, int] = {}  # rows of points, which their distances and normals must have, too
    arrays = {}
    for key in ARRAYS[mode]:
        if key == "normals" and names[key] not in there:
            continue
        width = None if key == "distances" else dimension
        rows = count.get({"distances": "points", "normals": "on"}.get(key, ""))
        arrays[key] = _array(folder, name, names[key], width, rows)
        count[key] = len(arrays[key])
    if TEST[0] not in there:
        return arrays, (None, None)
    test_points = _array(folder, name, TEST[0], dimension, None)
    return arrays, (test_points, _array(folder, name, TEST[1], None, len(test_points)))


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

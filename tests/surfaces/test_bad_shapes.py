"""Every bad mesh and every bad cloud as the input of a field, against the table in docs/BAD_INPUT.md."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.geometry.shape_file import read_shape
from backend.surfaces.dataset import ARRAYS, MODES
from backend.surfaces.extraction import Counts, dataset_of, known_shape
from backend.training.run import Run
from protocol.mesh import MeshError
from protocol.settings import SettingError
from tests.shared_data import shared_data

TABLE = Path(__file__).resolve().parents[2] / "docs" / "BAD_INPUT.md"
ROWS = re.findall(
    r"^\| ([\w ]+) \| (signed|unsigned|refused) \| ?(.*?) ?\|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE
)
DATA = shared_data()
FILES = {path.stem: path for path in (DATA / "bad").glob("*.[op][bl][jy]")} if DATA else {}
COUNTS = Counts(train=600, sides=600, test=120)
RNG = np.random.default_rng(0)


def ball(count: int = 1000) -> NDArray[np.float64]:
    found = RNG.normal(size=(count, 3))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def ring(count: int = 300) -> NDArray[np.float64]:
    turn = RNG.uniform(0.0, 2.0 * np.pi, count)
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def with_nan() -> NDArray[np.float64]:
    found = ball()
    found[[3, 5]] = np.nan
    return found


BALL = ball()
CLOUDS = {
    "a point": np.ones((1, 3)),
    "three points": np.eye(3),
    "points all at one place": np.ones((50, 3)),
    "points on a line": np.outer(np.arange(50.0), [1.0, 2.0, 3.0]),
    "points on a slanted plane": RNG.normal(size=(200, 2)) @ np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]),
    "points on a level plane": np.pad(RNG.normal(size=(200, 2)), ((0, 0), (0, 1)), constant_values=3.0),
    "a ring at one height": np.pad(ring(), ((0, 0), (0, 1)), constant_values=3.0),
    "points with NaN": with_nan(),
    "every point twice": np.concatenate([BALL, BALL]),
    "every point nearly twice": np.concatenate([BALL, BALL + 1e-9]),
    "one point a thousand times": np.concatenate([BALL, np.repeat(BALL[:1], 1000, axis=0)]),
    "a cloud far away": BALL + 1e7,
    "a tiny cloud": 1e-9 * BALL,
    "a huge cloud": 1e20 * BALL,
    "normals inwards": np.concatenate([BALL, -BALL], axis=1),
    "normals of no direction": np.concatenate([BALL, 0.0 * BALL], axis=1),
    "a stray point": np.concatenate([ball(), [[3.0, 0.0, 0.0]]]),
    "noise all through a ball": BALL * RNG.random((1000, 1)),
}


def input_of(name: str, folder: Path) -> Path:
    if name in FILES:
        return FILES[name]
    if name not in CLOUDS:
        pytest.skip("the shared test data is not here")
    path = folder / f"{name}.xyz"
    np.savetxt(path, CLOUDS[name], fmt="%.17g")
    return path


def test_the_table_is_complete() -> None:
    rows = [name for name, _, _ in ROWS]
    assert len(rows) == len(set(rows))
    assert set(CLOUDS) <= set(rows)
    assert set(FILES) <= set(rows)


@pytest.mark.parametrize(("name", "becomes", "words"), ROWS)
def test_the_documented_outcome(tmp_path: Path, name: str, becomes: str, words: str) -> None:
    path, run = input_of(name, tmp_path), Run()
    if becomes == "refused":
        with pytest.raises(MeshError) as raised:
            known_shape(read_shape(path), run)
        assert words in str(raised.value)
        assert re.match(rf"({re.escape(str(path))}|the shape): ", str(raised.value))
        return
    shape = read_shape(path)
    known = known_shape(shape, run)
    told = run.said + run.warnings
    assert any(words in sentence for sentence in told) if words else not told
    assert known.signed == (becomes == "signed")
    used = shape.used()
    middle = (used.min(axis=0) + used.max(axis=0)) / 2
    far = np.linalg.norm(used - middle, axis=1).max()
    for mode in MODES:
        if mode == "signed" and not known.signed:
            with pytest.raises(SettingError, match="no inside"):
                dataset_of(known, shape, mode, run, COUNTS)
            continue
        data = dataset_of(known, shape, mode, run, COUNTS)
        assert set(data.arrays) >= set(ARRAYS[mode]) - {"normals"}
        assert all(np.isfinite(values).all() for values in data.arrays.values())
        if "on" in data.arrays:
            away = np.linalg.norm(data.frame.leave(data.arrays["on"]) - middle, axis=1)
            assert away.max() <= far * 1.05
            assert np.abs(known.without_inside().distances(data.arrays["on"])).max() < 0.05
        if mode == "signed":
            assert (known.distances(data.arrays["inside"]) < 0.0).all()
            assert (known.distances(data.arrays["outside"]) > 0.0).all()

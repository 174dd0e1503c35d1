"""Datasets on disk: what is written is read, under the paper's names, and a damaged folder is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.surfaces.dataset import MODES
from backend.surfaces.dataset_folder import FACTS, NAMES, read_dataset, write_dataset
from backend.surfaces.extraction import Counts
from protocol.mesh import MeshError
from tests.surfaces.test_dataset import a_box, a_cloud, a_rectangle, made

FEW = Counts(300, 300, 120)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [a_box(), a_rectangle(), a_cloud()], ids=["mesh", "polyline", "cloud"])
def test_what_is_written_is_read(tmp_path: Path, shape: object, mode: str) -> None:
    data = made(shape, mode, FEW)  # type: ignore[arg-type]
    write_dataset(tmp_path, data, "thing", {"input": "thing.obj"})
    back = read_dataset(tmp_path)
    assert (back.mode, back.dimension, back.shape) == (mode, data.dimension, None)
    np.testing.assert_array_equal(back.frame.centre, data.frame.centre)
    np.testing.assert_array_equal([back.low, back.high], [data.low, data.high])
    assert back.frame.length == data.frame.length
    assert set(back.arrays) == set(data.arrays)
    for name, values in data.arrays.items():
        np.testing.assert_allclose(back.arrays[name], values, atol=3e-7)
        assert (tmp_path / f"thing_{NAMES[mode][name]}.npy").exists()
    assert back.facts == {**data.facts, "input": "thing.obj"}
    if data.test_points is None:
        assert back.test_points is None
        assert not (tmp_path / "thing_Xtest.npy").exists()
    else:
        assert back.test_points is not None
        np.testing.assert_allclose(back.test_points, data.test_points, atol=3e-7)
        assert back.test_distances is not None
        np.testing.assert_allclose(back.test_distances, data.test_distances, atol=3e-7)


def test_the_names_are_those_of_the_paper(tmp_path: Path) -> None:
    wanted = {
        "signed": {"Xtrain_on", "Xtrain_in", "Xtrain_out", "Nrml"},
        "unsigned": {"Xtrain_on", "Xtrain_out"},
        "dist": {"Xtrain", "Ytrain"},
        "sal": {"Xtrain_out", "Ytrain_out", "Xtrain_on", "Nrml"},
    }
    for mode, names in wanted.items():
        folder = tmp_path / mode
        folder.mkdir()
        write_dataset(folder, made(a_rectangle(), mode, FEW), "r")
        assert {p.stem for p in folder.glob("*.npy")} == {f"r_{name}" for name in {*names, "Xtest", "Ytest"}}


@pytest.mark.parametrize("mode", MODES)
def test_folders_of_the_published_code_are_read(tmp_path: Path, mode: str) -> None:
    """Arrays alone, in lengths of their own, distances of ``sal`` with a sign."""
    data = made(a_rectangle(), mode, FEW)
    write_dataset(tmp_path, data, "r")
    (tmp_path / FACTS).unlink()
    for path in tmp_path.glob("r_*.npy"):
        if "Nrml" not in path.name:
            np.save(path, (-0.5 if mode == "sal" and "_Y" in path.name else 0.5) * np.load(path))
    back = read_dataset(tmp_path)
    assert (back.mode, set(back.arrays)) == (mode, set(data.arrays))
    assert back.frame.length == pytest.approx(0.5, rel=0.02)  # 300 points nearly reach the corners
    for name, values in back.arrays.items():
        if name == "distances":
            np.testing.assert_allclose(values * back.frame.length, data.arrays[name] / 2, atol=1e-6)
        elif name == "normals":
            np.testing.assert_allclose(values, data.arrays[name], atol=1e-6)
        else:
            np.testing.assert_allclose(back.frame.leave(values), data.arrays[name] / 2, atol=1e-6)
    assert back.test_points is not None
    assert back.test_distances is not None
    assert data.test_distances is not None
    np.testing.assert_allclose(back.test_distances * back.frame.length, data.test_distances / 2, atol=1e-6)
    np.save(tmp_path / "s_Xtrain.npy", np.zeros((3, 2)))
    with pytest.raises(MeshError, match="holds arrays of several shapes"):
        read_dataset(tmp_path)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / name, change(np.load(folder / name)))


def said(**entries: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        facts = json.loads((folder / FACTS).read_text())
        (folder / FACTS).write_text(json.dumps({**facts, **entries}))

    return change


def with_nan(values: np.ndarray) -> np.ndarray:
    values[7] = np.nan
    return values


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: [path.unlink() for path in folder.iterdir()], "holds no dataset.json and no arrays of"),
    (lambda folder: (folder / FACTS).write_text("{"), "dataset.json: cannot be read"),
    (lambda folder: (folder / FACTS).write_text("[]"), "is not of format tweenfield-dataset-1"),
    (said(format="other"), "is not of format tweenfield-dataset-1"),
    (said(mode="SAL"), "is damaged, or of another version"),
    (said(length=0), "is damaged, or of another version"),
    (said(centre=[0.0, "x"]), "is damaged, or of another version"),
    (said(low=[0.0, 0.0, 0.0]), "is damaged, or of another version"),
    (said(name="../r"), "is damaged, or of another version"),
    (without("r_Xtrain_in.npy"), "r_Xtrain_in.npy: is missing; make"),
    (without("r_Ytest.npy"), "r_Ytest.npy: is missing; make"),
    (lambda folder: (folder / "r_Nrml.npy").write_bytes(b"\x93NUMPY"), "r_Nrml.npy: cannot be read as an array"),
    (changed("r_Xtrain_in.npy", with_nan), "row 7 (counted from 0) is NaN"),
    (changed("r_Xtrain_in.npy", lambda v: v * 1e9), "row 0 (counted from 0) is NaN, infinite or huge"),
    (changed("r_Xtrain_in.npy", lambda v: v[:, :1]), "has the shape (300, 1) instead of N x 2"),
    (changed("r_Xtrain_in.npy", lambda v: v[:0]), "has the shape (0, 2) instead of N x 2"),
    (changed("r_Xtrain_in.npy", lambda v: v.astype(complex)), "is no array of real numbers"),
    (changed("r_Nrml.npy", lambda v: v[:-1]), "has the shape (299, 2) instead of 300 x 2"),
    (changed("r_Ytest.npy", lambda v: v[:-1]), "has the shape (119,) instead of 120"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=[words for _, words in FAULTS])
def test_a_damaged_folder_is_told(tmp_path: Path, fault: Callable[[Path], object], words: str) -> None:
    write_dataset(tmp_path, made(a_rectangle(), "signed", FEW), "r")
    read_dataset(tmp_path)
    fault(tmp_path)
    with pytest.raises(MeshError) as raised:
        read_dataset(tmp_path)
    assert words in str(raised.value)
    assert str(tmp_path) in str(raised.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="holds no dataset"):
        read_dataset(tmp_path / "none")


def test_distances_as_a_column_are_taken(tmp_path: Path) -> None:
    write_dataset(tmp_path, made(a_rectangle(), "dist", FEW), "r")
    changed("r_Ytrain.npy", lambda v: v[:, None])(tmp_path)
    assert read_dataset(tmp_path).arrays["distances"].shape == (330,)

"""Datasets in the published layout: what is written, what is read, what is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from backend.geometry.signed_distance import signed_distance
from backend.rendering.silhouette import silhouette
from backend.single_view.layout import Instance, instances_in, read_image
from backend.single_view.training import box_of_shapes
from backend.surfaces.mesh_sdf.samples import drawn
from protocol.settings import SettingError
from tests.single_view.conftest import AXES


def test_a_dataset_of_meshes_has_all_parts(ellipsoids: Path, instances: list[Instance]) -> None:
    assert [one.name for one in instances] == [f"balls/samples/ball_{k}" for k in range(len(AXES))]
    folders = sorted(path.name for path in (ellipsoids / "balls").iterdir())
    assert folders == ["meshes", "renders", "samples"]
    renders = sorted(path.name for path in (ellipsoids / "balls" / "renders" / "ball_0").iterdir())
    assert renders == [*(f"{k:02d}.png" for k in range(8)), "rendering_metadata.txt"]


def test_meshes_are_placed_and_samples_are_their_distances(instances: list[Instance]) -> None:
    for one, axes in zip(instances, AXES, strict=True):
        positions, triangles = one.mesh()
        assert np.linalg.norm(np.ptp(positions, axis=0)) == pytest.approx(1.0, abs=1e-5)
        np.testing.assert_allclose(
            np.ptp(positions, axis=0) / np.linalg.norm(axes), np.array(axes) / np.dot(axes, axes), rtol=0.02
        )
        outside, inside = one.samples()
        assert outside.dtype == inside.dtype == np.float32
        assert outside[:, 3].min() > 0.0 >= inside[:, 3].max()
        assert min(len(outside), len(inside)) > 8000
        both = np.concatenate([outside[:50], inside[:50]]).astype(np.float64)
        np.testing.assert_allclose(both[:, 3], signed_distance(both[:, :3], positions, triangles), atol=1e-6)


def test_renders_and_their_cameras_belong_together(instances: list[Instance]) -> None:
    import torch

    one = instances[3]
    positions, triangles = one.mesh()
    for view in (0, 5):
        alpha = read_image(one.image_file(view))[..., 3] / 255.0
        seen = silhouette(torch.from_numpy(positions), torch.from_numpy(triangles), one.views[view].camera(64))[0]
        assert np.abs(alpha - seen.numpy()).max() < 0.01
        assert one.image(view, 32, True).shape == (32, 32, 4)


def test_half_of_what_is_drawn_is_inside(instances: list[Instance]) -> None:
    found = drawn(instances[0].samples(), 100, np.random.default_rng(0))
    assert found.shape == (100, 4)
    assert (found[:, 3] > 0.0).sum() == 50
    low, high = box_of_shapes(instances)
    assert np.all(low < -0.3)
    assert np.all(high < 0.55)


def test_deep_sdf_s_folders_are_read_too(ellipsoids: Path, tmp_path: Path) -> None:
    for before, after in (("samples", "SdfSamples"), ("renders", "renders"), ("meshes", "meshes")):
        shutil.copytree(ellipsoids / "balls" / before, tmp_path / after / "Made" / "balls")
    found = instances_in(tmp_path)
    assert next(one.name for one in found) == "SdfSamples/Made/balls/ball_0"
    assert found[0].mesh()[0].shape == (642, 3)
    assert found[0].image(7, 16, False).shape == (16, 16, 4)


def test_samples_that_are_not_numbers_are_left_out(ellipsoids: Path, tmp_path: Path) -> None:
    """Published samples hold some."""
    shutil.copytree(ellipsoids, tmp_path / "data")
    path = tmp_path / "data" / "balls" / "samples" / "ball_0.npz"
    with np.load(path) as file:
        outside, inside = file["pos"], file["neg"]
    outside[::3, 3] = np.nan
    np.savez(path, pos=outside.astype(np.float64), neg=inside)
    found = instances_in(tmp_path / "data")[0].samples()[0]
    assert len(found) == len(outside) - len(outside[::3])
    assert found.dtype == np.float32


def test_what_is_missing_is_named(ellipsoids: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="holds no dataset"):
        instances_in(tmp_path)
    data = tmp_path / "data"
    shutil.copytree(ellipsoids, data)
    (data / "balls" / "renders" / "ball_2" / "07.png").unlink()
    with pytest.raises(SettingError, match=r"07\.png: is missing"):
        instances_in(data)
    (data / "balls" / "renders" / "ball_1" / "rendering_metadata.txt").unlink()
    with pytest.raises(SettingError, match="cameras of the renders"):
        instances_in(data)
    (data / "balls" / "renders" / "ball_0" / "rendering_metadata.txt").write_text("")
    with pytest.raises(SettingError, match="is empty"):
        instances_in(data)


def test_broken_samples_and_missing_meshes_are_named(ellipsoids: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(ellipsoids, data)
    one = instances_in(data)[0]
    one.mesh_file.unlink()
    with pytest.raises(SettingError, match="needs the meshes"):
        one.mesh()
    for arrays, words in (
        ({"pos": np.zeros((3, 4))}, "pos and neg"),
        ({"pos": np.ones((3, 3)), "neg": np.ones((3, 4))}, r"\[3, 3\]"),
        ({"pos": np.ones((3, 4)), "neg": np.zeros((0, 4))}, "no samples"),
    ):
        np.savez(one.samples_file, **arrays)
        with pytest.raises(SettingError, match=words):
            instances_in(data)[0].samples()
    one.samples_file.write_bytes(b"no archive")
    with pytest.raises(SettingError, match="cannot be read as samples"):
        instances_in(data)[0].samples()

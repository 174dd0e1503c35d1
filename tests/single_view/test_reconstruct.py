"""A small model sees shapes that it was not trained on, and their silhouettes bring it nearer to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.geometry.metrics import topology
from backend.rendering.camera import Camera, OrbitCamera, stack
from backend.single_view.layout import Instance, read_image
from backend.single_view.metrics import Trained, measured, normal_consistency, scores_of
from backend.single_view.model import SingleViewModel, model_of, read_model, write_model
from backend.single_view.reconstruct import reconstruct
from backend.single_view.surface import axes_of
from backend.single_view.training import train_single_view
from backend.single_view.views import View
from backend.training.checkpoints import Checkpoints, checkpoints_in
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingError
from tests.meshes import icosphere
from tests.single_view.conftest import SETTINGS


def ball(radius: float) -> tuple[np.ndarray, np.ndarray]:
    mesh = icosphere(4, radius)
    return mesh.positions(), mesh.triangles().astype(np.int64)


def test_scores_of_spheres_are_those_of_their_radii() -> None:
    """Squared both ways and times 1000; beside sampling's own 1 / (pi density) each way."""
    camera = View(20.0, 25.0, 1.0).camera(96)
    same, near = scores_of(ball(0.3), ball(0.3), camera), scores_of(ball(0.33), ball(0.3), camera)
    density = [10_000 / (4.0 * np.pi * r * r) for r in (0.3, 0.33)]
    assert same.chamfer == pytest.approx(2000.0 / (np.pi * density[0]), rel=0.05)
    floor = sum(1000.0 / (np.pi * d) for d in density)
    assert near.chamfer == pytest.approx(2 * 1000.0 * 0.03**2 + floor, rel=0.03)
    assert near.distance == pytest.approx(100.0 * 0.03 / (0.6 * np.sqrt(3.0)), rel=0.02)
    assert same.distance < 0.01
    assert same.normals == pytest.approx(1.0, abs=1e-6)
    assert 0.98 < near.normals < 1.0


def test_normals_count_where_both_shapes_are_seen() -> None:
    """A square facing the camera against one turned by 60 degrees around y; and against one that is elsewhere."""
    corners = 0.2 * np.array([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [-1.0, 1.0, 0.0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    turned = corners.copy()
    turned[:, 0], turned[:, 2] = corners[:, 0] * 0.5, corners[:, 0] * np.sqrt(0.75)
    camera = OrbitCamera(0.0, 0.0, 2.0, 64, 64).camera()
    assert normal_consistency((corners, faces), (turned, faces), camera) == pytest.approx(0.5, abs=1e-5)
    assert normal_consistency((corners, faces), (corners + np.array([0.6, 0.0, 0.0]), faces), camera) == 0.0


def test_an_unseen_shape_is_seen_and_refined(model: SingleViewModel, instances: list[Instance]) -> None:
    """Over all its views the refinement brings the median nearer to the truth, and the silhouettes agree."""
    unseen = next(one for one in instances if one.name in model.held_out)
    rows = [measured(model, unseen, view, None, Run(), 32) for view in (0, 2, 4, 6)]
    before, after = (np.median([getattr(row, kind).chamfer for row in rows]) for kind in ("raw", "refined"))
    assert before < 15.0
    assert after < 0.8 * before
    assert np.median([row.iou for row in rows]) > 0.85
    assert all(row.iou > row.iou_before for row in rows)
    assert np.median([row.refined.normals for row in rows]) > 0.95


def test_a_shape_is_compared_with_those_the_model_was_trained_on(
    model: SingleViewModel, instances: list[Instance]
) -> None:
    trained = Trained(model, instances, Run())
    assert [one.name for one in trained.instances] == list(model.names)
    for number, one in enumerate(trained.instances):
        assert trained.nearest_to(one.mesh()) is one
        assert trained.nearest_code(model.codes[number]) is one


def test_an_image_that_the_shape_does_not_cover_is_told(model: SingleViewModel, instances: list[Instance]) -> None:
    """Seen by a camera that is four times as far away as that of the image."""
    image = read_image(instances[1].image_file(3))
    side = image.shape[0]
    run = Run()
    found = reconstruct(
        model, image, run, resolution=32, refine=False, camera=OrbitCamera(0.0, 20.0, 8.0, side, side).camera()
    )
    assert found.report["iou"] < 0.5
    assert found.report["warnings"] == run.warnings
    assert "check that the camera is that of the image" in run.warnings[0]
    assert not reconstruct(model, image, Run(), resolution=32).report["warnings"]


def test_the_camera_is_found_and_previews_are_shown(model: SingleViewModel, instances: list[Instance]) -> None:
    image = read_image(instances[1].image_file(3))
    shown: list[MeshData] = []
    run = Run(on_preview=shown.append)
    found = reconstruct(model, image, run, resolution=32)
    assert found.report["camera"] == "found"
    assert found.report["iou"] > 0.93
    assert topology(len(found.positions), found.triangles)["components"] == 1
    assert shown
    assert shown[0].n_faces > 100
    assert (found.camera.width, found.camera.height) == (64, 64)
    looking = ["encoding", "finding the camera", "matching the silhouette"]
    assert list(run.phase_seconds) == [*looking, "extracting as told", "extracting"]
    again = reconstruct(model, image, Run(), resolution=32)
    np.testing.assert_array_equal(again.positions, found.positions)
    raw = reconstruct(model, image, Run(), resolution=32, refine=False)
    np.testing.assert_array_equal(raw.positions, found.raw[0])
    assert raw.report["iou"] == raw.report["iou_before"] == found.report["iou_before"]


def test_an_image_of_another_size_and_place_gives_the_same_shape(
    model: SingleViewModel, instances: list[Instance]
) -> None:
    """Framed images: what is around the shape does not count."""
    image = read_image(instances[3].image_file(1))
    wide = np.zeros((100, 160, 4), np.uint8)
    wide[30:94, 80:144] = image
    a, b = (reconstruct(model, one, Run(), resolution=24, refine=False) for one in (image, wide))
    np.testing.assert_allclose(a.code, b.code, atol=3e-3)  # pixels round
    np.testing.assert_allclose(b.camera.centre - a.camera.centre, [[80.0, 30.0]], atol=0.5)


def test_z_upwards_turns_shape_and_camera_alike(model: SingleViewModel, instances: list[Instance]) -> None:
    image = read_image(instances[3].image_file(1))
    a = reconstruct(model, image, Run(), resolution=24, refine=False)
    b = reconstruct(replace(model, up="z"), image, Run(), resolution=24, refine=False)
    np.testing.assert_allclose(b.positions, a.positions[:, [0, 2, 1]] * [1.0, -1.0, 1.0])
    flat = [one.camera.place(torch.from_numpy(one.positions)).numpy() for one in (a, b)]
    np.testing.assert_allclose(*flat, atol=1e-12)


def test_a_camera_that_looks_away_is_refused(model: SingleViewModel, instances: list[Instance]) -> None:
    image = read_image(instances[3].image_file(1))
    camera = View(0.0, 20.0, 0.8).camera(64)
    away = Camera(np.diag([1.0, -1.0, -1.0, 1.0]) @ camera.world_to_camera, camera.focal, camera.centre, 64, 64)
    with pytest.raises(SettingError, match="looks away"):
        reconstruct(model, image, Run(), camera=away)
    with pytest.raises(SettingError, match="has 2 views"):
        reconstruct(model, image, Run(), camera=stack([camera, camera]))
    with pytest.raises(SettingError, match="images of 64 x 32 pixels, and the image has 64 x 64"):
        reconstruct(model, image, Run(), camera=camera.resized(64, 32))
    with pytest.raises(SettingError, match="raise the resolution"):
        reconstruct(model, image, Run(), resolution=1, refine=False)
    with pytest.raises(SettingError, match="transparent everywhere"):
        reconstruct(model, np.zeros_like(image), Run())
    with pytest.raises(SettingError, match="no alpha"):
        reconstruct(model, image[..., :3], Run())


def test_a_model_s_file_gives_the_model_and_others_are_refused(
    model: SingleViewModel, instances: list[Instance], tmp_path: Path
) -> None:
    write_model(tmp_path / "m.safetensors", model)
    again = read_model(tmp_path / "m.safetensors")
    assert again.to_bytes() == model.to_bytes()
    image = read_image(instances[0].image_file(0))
    a, b = (reconstruct(one, image, Run(), resolution=24, refine=False) for one in (model, again))
    np.testing.assert_array_equal(a.positions, b.positions)
    content = model.to_bytes()
    with pytest.raises(SettingError, match="not a model of `single-view train`"):
        model_of(b"nothing", "x")
    with pytest.raises(SettingError, match="damaged"):
        model_of(content.replace(b'\\"latent\\": 4', b'\\"latent\\": 5'), "x")


def test_training_goes_on_from_a_checkpoint(model: SingleViewModel, instances: list[Instance], tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=6)
    begun = SingleViewModel.begun(settings, model.names, (), (model.low, model.high))
    known = [one for one in instances if one.name in model.names]
    first = train_single_view(begun.network, known, Run(), Checkpoints(tmp_path, 4))
    assert first.steps == 6
    paths = checkpoints_in(tmp_path)
    assert [path.name for path in paths] == ["step_000004.safetensors", "step_000006.safetensors"]
    other = SingleViewModel.begun(replace(settings, steps=9), model.names, (), (model.low, model.high))
    steps: list[int] = []
    run = Run(on_progress=lambda phase, step, total, loss, left: steps.append(step))
    assert train_single_view(other.network, known, run, Checkpoints(tmp_path, 4, paths[0])).steps == 9
    assert steps == [0, 5, 6, 7, 8, 9]


def test_axes_of_codes_are_their_deviations() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(5, 2))
    codes = rng.normal(size=(400, 2)) @ mixing.T + rng.normal(size=5)
    axes = axes_of(codes)
    assert axes.shape == (5, 2)
    np.testing.assert_allclose(axes @ axes.T, np.cov(codes.T), atol=1e-9)

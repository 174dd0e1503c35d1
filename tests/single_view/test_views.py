"""Cameras as datasets publish them, and images as encoders see them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.rendering.silhouette import silhouette
from backend.single_view.framing import Frame, check_image, frame_of
from backend.single_view.layout import read_image
from backend.single_view.making import turned_back, turned_up
from backend.single_view.reconstruct import AXES, turned
from backend.single_view.render import rendered
from backend.single_view.view_search import find_view, fitted
from backend.single_view.views import View, read_metadata, views_around, write_metadata
from backend.training.run import Run
from protocol.settings import SettingError
from tests.meshes import limbs


def disn(point: np.ndarray, azimuth: float, elevation: float, share: float, shift: np.ndarray) -> np.ndarray:
    """Where DISN's renderer puts a point on an image of 224 pixels: Blender's camera, z upwards, tracks the middle.

    Published meshes have y upwards and are imported as (x, -z, y).
    """
    x, y, z = point
    placed = np.array([x, -z, y]) + shift
    theta, phi = np.radians(azimuth), np.radians(elevation)
    eye = 1.75 * share * np.array([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)])
    forwards = -eye / np.linalg.norm(eye)
    right = np.cross(forwards, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    upwards = np.cross(right, forwards)
    seen = placed - eye
    focal = 35.0 / 32.0 * 224.0
    return np.array(
        [112.0 + focal * (seen @ right) / (seen @ forwards), 112.0 - focal * (seen @ upwards) / (seen @ forwards)]
    )


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.1, -0.05, 0.02)])
def test_the_published_camera_sees_points_where_its_renderer_does(shift: tuple[float, float, float]) -> None:
    points = np.random.default_rng(0).uniform(-0.4, 0.4, (5, 3))
    for azimuth, elevation, share in ((13.0, 24.0, 0.7), (250.0, 29.0, 1.0), (100.0, -8.0, 0.9)):
        camera = View(azimuth, elevation, share, 0.0, shift).camera(224)
        flat = camera.project(camera.place(torch.from_numpy(points)))[0].numpy()
        truth = [disn(point, azimuth, elevation, share, np.array(shift)) for point in points]
        np.testing.assert_allclose(flat, truth, atol=1e-6)


def test_metadata_of_both_published_forms(tmp_path: Path) -> None:
    path = tmp_path / "rendering_metadata.txt"
    views = views_around(16, np.random.default_rng(2))
    write_metadata(path, views)
    assert read_metadata(path) == views
    assert all(20.0 <= view.elevation <= 30.0 and 0.65 <= view.share <= 1.0 for view in views)
    gaps = np.diff(sorted(view.azimuth for view in views))
    assert gaps.min() > 10.0  # all around
    assert gaps.max() < 35.0
    path.write_text("[13.5,20.2,0,0.7,35,32,1.75,0.0,0.1,-0.2], \n")
    assert read_metadata(path) == [View(13.5, 20.2, 0.7, 0.0, (0.0, 0.1, -0.2))]
    path.write_text("13.5 20.2 0 0.7 25\n\n40 25 0 0.8 25\n")  # 3D-R2N2
    assert read_metadata(path) == [View(13.5, 20.2, 0.7), View(40.0, 25.0, 0.8)]
    told = View.of_told(View(250.0, 24.0, 0.8).told())
    assert (told.azimuth, told.elevation, told.share) == pytest.approx((250.0, 24.0, 0.8))


@pytest.mark.parametrize("text", ["one two three four\n", "1 2 3\n", "1,2,0,-1\n", "[1,2,0,0.7,50,36,1.75,0,0,0]\n"])
def test_metadata_that_tells_no_camera(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.txt").write_text(text)
    with pytest.raises(SettingError, match=r"m\.txt, line 1"):
        read_metadata(tmp_path / "m.txt")
    with pytest.raises(SettingError, match="cannot be read"):
        read_metadata(tmp_path / "none.txt")


def test_a_frame_is_around_the_shape_and_cameras_go_there_and_back() -> None:
    image = np.zeros((60, 100, 4), np.uint8)
    image[10:30, 80:100] = 200, 100, 50, 255  # at the edge: the frame reaches beyond
    frame = frame_of(image, 64)
    cut = frame.cut(image)
    inside = cut[..., 3] >= 128
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    for found in (rows, columns):
        assert (found[0] + found[-1] + 1) / 2 == pytest.approx(32.0, abs=1.0)
        assert len(found) == pytest.approx(0.85 * 64, abs=2.0)
    assert cut[32, 32].tolist() == [200, 100, 50, 255]
    whole = frame_of(image, 50, framed=False)
    assert whole == Frame(0.0, -20.0, 100.0, 50)
    camera = View(40.0, 25.0, 0.8).camera(100)
    camera = type(camera)(camera.world_to_camera, camera.focal, camera.centre, 100, 60)
    back = frame.whole(frame.camera(camera), image)
    np.testing.assert_allclose(back.focal, camera.focal)
    np.testing.assert_allclose(back.centre, camera.centre)
    assert (back.width, back.height) == (100, 60)


def test_large_images_are_cut_channel_by_channel() -> None:
    """What a cut takes beside the image is a few channels of 4 bytes a pixel, not all of them at once."""
    image = np.zeros((1500, 1500, 4), np.uint8)
    image[300:1200, 500:1000] = 200, 100, 50, 255
    tracemalloc.start()
    try:
        cut = frame_of(image, 64).cut(image)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert cut[32, 32].tolist() == [200, 100, 50, 255]
    assert most < 4.5 * image.nbytes


def test_images_that_tell_no_shape(tmp_path: Path) -> None:
    empty = np.zeros((40, 40, 4), np.uint8)
    full = np.full((40, 40, 4), 255, np.uint8)
    speck = empty.copy()
    speck[3:5, 3:5] = 255
    for image, words in (
        (full[..., :3], "no alpha"),
        (empty, "transparent everywhere"),
        (full, "opaque everywhere"),
        (speck, "only 4 pixels"),
        (full[:8], "40 x 8 pixels"),
    ):
        with pytest.raises(SettingError, match=words):
            check_image(image)
    Image.fromarray(full[..., :3]).save(tmp_path / "rgb.png")
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 4), np.uint8)).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "flipped.png").write_bytes(whole[:60] + bytes([whole[60] ^ 255]) + whole[61:])
    Image.new("L", (10_000, 9_000)).save(tmp_path / "huge.png")
    for name, words in (
        ("rgb.png", "no alpha"),
        ("text.png", "no image that can be read"),
        ("none.png", "no such image"),
        ("", "is a folder; name one image"),
        ("cut.png", "or damaged"),
        ("flipped.png", "or damaged"),
        ("huge.png", "more than 89,478,485 pixels; save it smaller"),
    ):
        with pytest.raises(SettingError, match=words):
            read_image(tmp_path / name)


def test_renders_have_the_silhouette_as_alpha_and_shade_inside() -> None:
    mesh, _ = limbs(3)
    positions = torch.from_numpy(mesh.positions() / 6.0).float()
    triangles = torch.from_numpy(mesh.triangles().astype(np.int64))
    camera = View(30.0, 25.0, 1.0).camera(48)
    image = rendered(positions, triangles, camera)[0]
    alpha = silhouette(positions, triangles, camera)[0].numpy()
    np.testing.assert_allclose(image[..., 3] / 255.0, alpha.clip(0.0, 1.0), atol=0.003)
    inside = image[alpha == 1.0][:, :3].astype(float)
    assert inside.min() > 20.0  # no pixel of the shape is black
    assert inside.std() > 10.0


def test_the_camera_of_an_image_is_found() -> None:
    """Of a shape without symmetry: seen through the camera that is found, it looks as in the image."""
    mesh, _ = limbs(3)
    surface = mesh.positions() / 6.0, mesh.triangles().astype(np.int64)
    positions, triangles = torch.from_numpy(surface[0]).float(), torch.from_numpy(surface[1])
    truth = View(70.0, 22.0, 0.8)
    alpha = silhouette(positions, triangles, truth.camera(96))[0]
    box = fitted(View(70.0, 22.0, 0.8).camera(96), surface[0], alpha)
    np.testing.assert_allclose(box.focal, truth.camera(96).focal, rtol=0.05)
    near = find_view(surface, alpha, View(85.0, 24.0, 0.8), Run())
    assert near.iou > 0.97
    assert (near.view.azimuth, near.view.elevation) == pytest.approx((70.0, 22.0), abs=1.5)
    anywhere = find_view(surface, alpha, None, Run())
    assert anywhere.iou > 0.95
    assert anywhere.view.azimuth == pytest.approx(70.0, abs=8.0)


def test_the_elevation_stays_near_what_the_encoder_tells() -> None:
    """Of a shape that is taller than the one in the image: its outline alone would be seen from farther above."""
    mesh, _ = limbs(3)
    positions, triangles = mesh.positions() / 6.0, mesh.triangles().astype(np.int64)
    truth = View(70.0, 22.0, 0.8)
    alpha = silhouette(torch.from_numpy(positions).float(), torch.from_numpy(triangles), truth.camera(96))[0]
    found = find_view((positions * [1.0, 1.2, 1.0], triangles), alpha, View(75.0, 22.0, 0.8), Run())
    assert found.view.elevation == pytest.approx(22.0, abs=2.0)  # 28 without


def test_lines_thinner_than_a_pixel_have_a_box() -> None:
    """None of the pixels is covered by half, as of a thin shape in a large image."""
    mesh, _ = limbs(3)
    alpha = torch.zeros(64, 64)
    alpha[10:50, 20] = 0.1
    camera = fitted(View(70.0, 22.0, 0.8).camera(64), mesh.positions() / 6.0, alpha)
    flat = camera.project(camera.place(torch.from_numpy(mesh.positions() / 6.0)))[0]
    assert float(np.ptp(flat.numpy(), axis=0).max()) == pytest.approx(40.0)
    np.testing.assert_allclose((flat.amin(dim=0) + flat.amax(dim=0)) / 2.0, [20.5, 30.0], atol=1e-9)


def test_frames_with_z_upwards() -> None:
    points = np.random.default_rng(0).normal(size=(6, 3))
    np.testing.assert_array_equal(turned_back(turned_up(points, "z"), "z"), points)
    np.testing.assert_array_equal(turned_up(np.array([[0.0, 0.0, 1.0]]), "z"), [[0.0, 1.0, 0.0]])
    inward = View(30.0, 20.0, 0.9).camera(64)
    outward = turned(inward, turned_up(AXES, "z"))
    a = inward.place(torch.from_numpy(turned_up(points, "z")))
    np.testing.assert_allclose(outward.place(torch.from_numpy(points)).numpy(), a.numpy(), atol=1e-12)

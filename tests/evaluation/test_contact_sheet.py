"""Contact sheets: the shape is in the picture, every frame has a place, and the camera is a sensible one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.evaluation.camera import choose_camera, choose_up
from backend.evaluation.contact_sheet import contact_sheet
from backend.evaluation.render import Quality, Scene, render, to_image
from tests.meshes import icosphere, rotation, torus, triangle_mesh


def pixels(path: Path) -> np.ndarray:
    """The picture [h, w, 3]."""
    with Image.open(path) as image:
        assert image.mode == "RGB"
        return np.asarray(image)


def sphere_scene() -> Scene:
    sphere = icosphere(4, 0.5)
    red = np.tile([0.8, 0.1, 0.1], (sphere.n_vertices, 1))
    return Scene(sphere.positions(), sphere.triangles().astype(np.int64), red, np.array([0.0, 1.0, 0.0]), -0.5)


def test_a_red_sphere_covers_its_disc() -> None:
    scene = sphere_scene()
    camera = choose_camera([scene.positions], scene.up, True)
    width = 120
    height = round(width / camera.aspect)
    picture = render(scene, camera, width, height, Quality(2, 16))
    assert picture.shape == (height, width, 3)
    red = picture[:, :, 0] > 1.6 * picture[:, :, 1]
    left, right, bottom, top = camera.window
    flat = camera.project(scene.positions)
    radius = np.ptp(flat[:, 0]) / 2
    assert red.mean() == pytest.approx(np.pi * radius**2 / ((right - left) * (top - bottom)), rel=0.04)
    lit = np.where(red[:, :, None], picture, np.nan).mean(axis=2)
    upper, lower = lit[: height // 2], lit[height // 2 :]
    assert np.nanmean(upper) > 1.15 * np.nanmean(lower)  # light comes from above
    assert picture[-height // 8 :, width // 2 - 9 : width // 2 + 9].mean() < picture[: height // 8].mean()  # shadow


def test_the_nearer_surface_hides_the_other() -> None:
    """Two discs: the blue one is nearer to the camera and hides the red one."""
    sphere = icosphere(3, 0.3)
    camera = choose_camera([np.array([[-1.0, -1, -1], [1, 1, 1]])], np.array([0.0, 1.0, 0.0]), False)
    near = sphere.positions() - 0.8 * camera.forward
    positions = np.concatenate([sphere.positions(), near])
    triangles = np.concatenate([sphere.triangles(), sphere.triangles() + sphere.n_vertices]).astype(np.int64)
    colours = np.repeat([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]], sphere.n_vertices, axis=0)
    picture = render(Scene(positions, triangles, colours, camera.up, -1.0), camera, 80, 80, Quality(1, 8))
    x, y = camera.project(np.zeros((1, 3)))[0]
    left, right, bottom, top = camera.window
    seen = picture[int((top - y) / (top - bottom) * 80), int((x - left) / (right - left) * 80)]
    assert seen[2] > 2 * seen[0]


def test_srgb_encoding() -> None:
    image = to_image(np.array([[[0.0, 0.2158605, 1.0], [2.0, -1.0, 0.0030]]]))
    np.testing.assert_array_equal(np.asarray(image)[0], [[0, 128, 255], [255, 0, 10]])


def test_the_camera_holds_every_frame_and_keeps_up_upwards() -> None:
    ring = torus().positions()
    frames = [ring @ rotation([0, 1, 0], angle).T + [angle / 60, 0, 0] for angle in (0, 60, 130)]
    for up in (np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])):
        camera = choose_camera(frames, up, True)
        left, right, bottom, top = camera.window
        for frame in frames:
            x, y = camera.project(frame).T
            assert left < x.min() < x.max() < right
            assert bottom < y.min() < y.max() < top
        assert camera.up @ up > 0.9
        np.testing.assert_allclose(np.cross(camera.right, camera.up), -camera.forward, atol=1e-12)


def test_a_broad_side_is_chosen() -> None:
    """A long thin box is seen from its long side, whichever axis it lies along."""
    box = np.random.default_rng(0).uniform(-1, 1, (400, 3))
    for axis in (0, 2):
        scale = np.array([0.2, 0.2, 0.2])
        scale[axis] = 2.0
        camera = choose_camera([box * scale], np.array([0.0, 1.0, 0.0]), True)
        assert abs(camera.forward[axis]) < 0.6


def test_standing_shapes_tell_which_way_is_up() -> None:
    legs = np.concatenate(
        [np.random.default_rng(k).uniform(-0.1, 0.1, (50, 3)) + place for k, place in enumerate(FEET)]
    )
    body = np.random.default_rng(9).normal(0, 0.2, (200, 3)) + np.array([0, 0, 1.6])
    standing = np.concatenate([legs, body])
    np.testing.assert_array_equal(choose_up([standing]), [0, 0, 1])
    np.testing.assert_array_equal(choose_up([standing[:, [1, 2, 0]]]), [0, 1, 0])
    np.testing.assert_array_equal(choose_up([standing * [1, 1, 0]]), [0, 1, 0])
    melted = np.concatenate([body, body[:5] * 0.1])
    np.testing.assert_array_equal(choose_up([melted, standing, melted]), [0, 1, 0])


FEET = ([1, 1, 0], [1, -1, 0], [-1, 1, 0], [-1, -1, 0])


def test_sheet_of_a_morph(tmp_path: Path) -> None:
    sphere = icosphere(2)
    times = np.linspace(0, 1, 9)
    frames = [sphere.with_positions(sphere.positions() * [1, 1 + t, 1]) for t in times]
    contact_sheet(frames, times, tmp_path / "sheet.png", tile_area=100 * 100, quality=Quality(1, 8))
    sheet = pixels(tmp_path / "sheet.png")
    assert 0.8 < sheet.shape[1] / sheet.shape[0] < 6
    assert sheet.shape[0] * sheet.shape[1] >= 0.9 * 9 * 100 * 100
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 1000


def test_one_frame_other_faces_and_flat_meshes(tmp_path: Path) -> None:
    cheap = {"tile_area": 50 * 50, "quality": Quality(1, 4)}
    contact_sheet([icosphere(1)], [0.0], tmp_path / "one.png", **cheap)
    contact_sheet([icosphere(1), torus(8, 6)], [0.0, 1.0], tmp_path / "two.png", **cheap)
    triangle = triangle_mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]]))
    contact_sheet([triangle, triangle], [0.0, 1.0], tmp_path / "flat.png", **cheap)
    tiny = triangle_mesh(icosphere(1).positions() * 1e-6 + 1e3, icosphere(1).triangles())
    contact_sheet([tiny, tiny], [0.0, 1.0], tmp_path / "tiny.png", **cheap)
    for name in ("one", "two", "flat", "tiny"):
        assert np.ptp(pixels(tmp_path / f"{name}.png").reshape(-1, 3), axis=0).max() > 60, name
    with pytest.raises(ValueError, match="no meshes"):
        contact_sheet([], [], tmp_path / "none.png")


def test_frames_without_a_surface_have_an_empty_place(tmp_path: Path) -> None:
    ball, nothing = icosphere(2), triangle_mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int64))
    contact_sheet([ball, nothing, ball], [0.0, 0.5, 1.0], tmp_path / "gap.png", quality=Quality(1, 4))
    tiles = np.split(pixels(tmp_path / "gap.png"), 3, axis=1)
    spread = [int(np.ptp(tile[: len(tile) // 2].reshape(-1, 3), axis=0).max()) for tile in tiles]  # above the label
    assert spread[0] == spread[2] > 100
    assert spread[1] == 0
    with pytest.raises(ValueError, match="no surfaces"):
        contact_sheet([nothing], [0.0], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.rendering.camera import Camera, OrbitCamera, blender_view, stack
from backend.rendering.camera_file import camera_from_facts, read_camera, write_camera
from protocol.blender_camera import BlenderCamera
from protocol.settings import SettingError

POINTS = [[0.3, -0.2, 0.5], [-0.4, 0.6, -0.1], [0.0, 0.0, 0.0], [0.7, 0.5, -0.6], [-0.8, -0.3, 0.2]]
IDENTITY = tuple(tuple(row) for row in np.eye(4).tolist())


def pixels(camera: Camera, points: list[list[float]]) -> np.ndarray:
    return camera.project(camera.place(torch.tensor(points, dtype=torch.float64))).numpy()


def test_the_fields_camera_by_hand() -> None:
    camera = OrbitCamera(azimuth=0.0, elevation=0.0, distance=2.5, width=512, height=512).camera()
    # It stands at z = -2.5 and looks along z, so x runs to the left; the focal length is 35 / 32 of 512 pixels.
    found = pixels(camera, [[0.0, 0.0, 0.0], [0.5, 0.25, 0.0], [0.0, 0.0, 2.5]])
    np.testing.assert_allclose(found[0], [[256, 256], [256 - 560 * 0.2, 256 - 560 * 0.1], [256, 256]], atol=1e-9)


def test_azimuth_turns_around_the_upright_and_elevation_looks_from_above() -> None:
    for azimuth, elevation in ((45.0, 30.0), (200.0, -60.0)):
        camera = OrbitCamera(azimuth, elevation, 2.5, 64, 64).camera()
        eye = np.linalg.inv(camera.world_to_camera[0])[:3, 3]
        turn, lift = np.radians(azimuth), np.radians(elevation)
        wanted = [-np.sin(turn) * np.cos(lift), np.sin(lift), -np.cos(turn) * np.cos(lift)]
        np.testing.assert_allclose(eye, 2.5 * np.array(wanted), atol=1e-12)
        top, bottom = pixels(camera, [[0.0, 0.1, 0.0], [0.0, -0.1, 0.0]])[0]
        assert top[1] < bottom[1]
        assert top[0] == pytest.approx(bottom[0])
        assert np.linalg.det(camera.world_to_camera[0]) == pytest.approx(1.0)


def test_a_camera_that_looks_away_is_known() -> None:
    cube = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
    at = blender_view(BlenderCamera(matrix_world=IDENTITY, width=100, height=50))  # at the origin, along -z
    views = stack([at, at, at])
    assert views.in_view(cube + np.array([0.0, 0.0, -6.0])).all()
    assert not views.in_view(cube + np.array([0.0, 0.0, 6.0])).any()
    assert not views.in_view(cube + np.array([9.0, 0.0, -6.0])).any()
    assert views.in_view(5.0 * cube).all()  # it is inside, and no corner is in the image
    turned = stack([at, OrbitCamera(0.0, 0.0, 3.0, 100, 50).camera()])
    assert turned.in_view(cube + np.array([0.0, 0.0, 6.0])).tolist() == [False, True]
    turned.require_in_view(0.1 * cube + np.array([0.0, 0.0, -1.0]))
    with pytest.raises(SettingError, match=r"view 1 of 2 looks away from the shape"):
        turned.require_in_view(cube + np.array([0.0, 0.0, 6.0]))


def test_views_of_different_sizes_do_not_go_together() -> None:
    small, large = (OrbitCamera(0.0, 0.0, 2.0, side, 32).camera() for side in (32, 64))
    with pytest.raises(SettingError, match=r"32 x 32, 64 x 32"):
        stack([small, large])
    np.testing.assert_allclose(pixels(small.resized(64, 64), POINTS), 2 * pixels(small, POINTS))


def test_a_camera_comes_back_from_its_file(tmp_path: Path) -> None:
    views = [OrbitCamera(azimuth, 20.0, 2.0, 200, 100).camera() for azimuth in (0.0, 77.7)]
    write_camera(tmp_path / "C.json", stack(views))
    back = read_camera(tmp_path / "C.json")
    assert (len(back), back.width, back.height) == (2, 200, 100)
    assert np.array_equal(pixels(back, POINTS), pixels(stack(views), POINTS))
    (tmp_path / "O.json").write_text(
        '{"kind": "orbit", "azimuth": 77.7, "elevation": 20, "distance": 2, "width": 200, "height": 100}'
    )
    assert np.array_equal(pixels(read_camera(tmp_path / "O.json"), POINTS), pixels(views[1], POINTS))


ORBIT = {"kind": "orbit", "azimuth": 0, "elevation": 0, "distance": 2, "width": 64, "height": 64}
BLENDER = {"kind": "blender", "width": 64, "height": 64, "matrix_world": IDENTITY}
VIEW = {"world_to_camera": IDENTITY, "focal": [1, 1], "centre": [0, 0]}
PINHOLE = {"kind": "pinhole", "width": 64, "height": 64, "views": [VIEW]}


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ([], "must be an object"),
        ({**ORBIT, "kind": "fish"}, "kind is 'fish'; it must be one of orbit, blender, pinhole"),
        ({k: v for k, v in ORBIT.items() if k != "kind"}, "the field kind is missing; it must be one of orbit"),
        ({k: v for k, v in ORBIT.items() if k != "distance"}, "distance is missing; it needs azimuth, elevation"),
        ({**ORBIT, "zoom": 1}, "the field zoom is unknown"),
        ({**ORBIT, "distance": -1}, "distance is -1; it must be above 0"),
        ({**ORBIT, "azimuth": "45"}, "azimuth is '45'; it must be a number"),
        ({**ORBIT, "azimuth": float("nan")}, "azimuth is nan; it must be a number"),
        ({**ORBIT, "width": 64.5}, "a whole number of pixels"),
        ({**ORBIT, "height": 0}, "a whole number of pixels"),
        ({**BLENDER, "sensor_fit": "FILL"}, "sensor_fit is 'FILL'; it must be one of AUTO, HORIZONTAL, VERTICAL"),
        ({**BLENDER, "matrix_world": [[1, 2], [3]]}, "matrix_world must be 4 rows of 4 numbers"),
        ({**BLENDER, "matrix_world": np.diag([1, 1, 0, 1]).tolist()}, "matrix_world is flat"),
        ({**BLENDER, "matrix_world": np.ones((4, 4)).tolist()}, "the last row of matrix_world"),
        ({**PINHOLE, "views": []}, "a list of at least one object"),
        ({**PINHOLE, "views": [{**VIEW, "focal": [0, 1]}]}, "focal must be above 0"),
        ({**PINHOLE, "views": [{**VIEW, "centre": None}]}, "centre must be 2 numbers"),
    ],
)
def test_a_bad_camera_is_told_in_words(facts: Any, says: str, tmp_path: Path) -> None:
    for good in (ORBIT, BLENDER, PINHOLE):
        assert len(camera_from_facts(good)) == 1
    path = tmp_path / "C.json"
    path.write_text(json.dumps(facts))
    with pytest.raises(SettingError) as caught:
        read_camera(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_camera(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        read_camera(tmp_path / "none.json")
    (tmp_path / "C.json").write_bytes(b"\x89PNG")
    with pytest.raises(SettingError, match="is no JSON file"):
        read_camera(tmp_path / "C.json")


def test_blenders_own_camera(blender_python: Path, tmp_path: Path) -> None:
    script = Path(__file__).with_name("blender_camera.py")
    done = subprocess.run(
        [blender_python, script, json.dumps(POINTS), tmp_path / "out.json"], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    assert len(found) == 6
    for setup in found:
        camera = camera_from_facts(setup["camera"])
        size = np.array([camera.width, camera.height])
        ours = pixels(camera, POINTS)[0]
        clip = np.array(setup["clip"])
        ndc = clip[:, :2] / clip[:, 3:]
        np.testing.assert_allclose(ours, (0.5 + 0.5 * ndc * [1.0, -1.0]) * size, atol=2e-3)  # Blender has float32
        view = np.array(setup["view"])
        np.testing.assert_allclose(ours, np.stack([view[:, 0], 1.0 - view[:, 1]], axis=1) * size, atol=2e-3)
        depth = camera.place(torch.tensor(POINTS, dtype=torch.float64))[0, :, 2].numpy()
        np.testing.assert_allclose(depth, view[:, 2], atol=1e-5)

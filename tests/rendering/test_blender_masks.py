from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.commands.refine import CAMERAS
from backend.geometry.io import read_mesh, write_ply
from backend.rendering.camera_file import read_camera
from backend.rendering.silhouette import silhouette
from protocol.blender_camera import SENSOR_FITS
from tests.meshes import icosphere


def run_blender(blender_python: Path, script: str, folder: Path, *more: str) -> None:
    """Runs one of the scripts beside this file in Blender's Python."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "BLENDER_USER_RESOURCES": str(folder / "profile")}
    command = [blender_python, Path(__file__).with_name(script), folder, *more]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr


def check_masks(folder: Path, positions: torch.Tensor, triangles: torch.Tensor) -> None:
    """Blender's images in a folder are the project's of the same mesh by the cameras beside them."""
    cameras = json.loads((folder / "cameras.json").read_text())
    assert {facts["sensor_fit"] for facts in cameras} == set(SENSOR_FITS)
    for number, facts in enumerate(cameras):
        wanted = np.load(folder / f"{number}.npy")  # [H, W]
        (folder / "camera.json").write_text(json.dumps(facts))
        found = silhouette(positions, triangles, read_camera(folder / "camera.json"))[0].numpy()
        assert 0.01 < wanted.mean() < 0.6, number
        both, either = (wanted > 0.5) & (found > 0.5), (wanted > 0.5) | (found > 0.5)
        iou = both.sum() / either.sum()
        assert iou >= 0.995, (number, iou)
        assert np.abs(wanted - found).mean() < 0.001, number


@pytest.mark.timeout(120)
def test_blender_renders_the_same_silhouettes(blender_python: Path, tmp_path: Path) -> None:
    run_blender(blender_python, "blender_masks.py", tmp_path)
    mesh = np.load(tmp_path / "mesh.npz")
    positions = torch.tensor(mesh["positions"], dtype=torch.float32)
    check_masks(tmp_path, positions, torch.tensor(mesh["triangles"], dtype=torch.int64))


@pytest.mark.timeout(120)
def test_the_help_of_refine_says_how_a_camera_of_blender_is_written(blender_python: Path, tmp_path: Path) -> None:
    """The frame is imported as the help says, and then moved: the camera is still that of the frame's coordinates."""
    told = re.search(
        r"matrix_world is (\[.+\]), where FRAME is a frame's PLY file, imported with Forward Y and Up Z", CAMERAS
    )
    assert told is not None
    shape = icosphere(3)
    turned = shape.positions() * [1.0, 0.6, 0.4]
    turned[:, 2] += 0.3 * turned[:, 0] ** 2 + 0.1 * turned[:, 1]
    write_ply(tmp_path / "frame.ply", shape.with_positions(turned + np.array([0.1, 0.2, 0.0])))
    run_blender(blender_python, "blender_help.py", tmp_path, told.group(1))
    frame = read_mesh(tmp_path / "frame.ply")
    check_masks(tmp_path, torch.as_tensor(frame.positions()), torch.as_tensor(frame.triangles().astype(np.int64)))

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.rendering.camera_file import camera_from_facts
from backend.rendering.silhouette import silhouette
from protocol.blender_camera import SENSOR_FITS


@pytest.fixture(scope="module")
def rendered(blender_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    script = Path(__file__).with_name("blender_masks.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "BLENDER_USER_RESOURCES": str(folder / "profile")}
    done = subprocess.run(
        [blender_python, script, folder], env=environment, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.timeout(120)
def test_blender_renders_the_same_silhouettes(rendered: Path) -> None:
    mesh = np.load(rendered / "mesh.npz")
    positions = torch.tensor(mesh["positions"], dtype=torch.float32)
    triangles = torch.tensor(mesh["triangles"], dtype=torch.int64)
    cameras = json.loads((rendered / "cameras.json").read_text())
    assert {facts["sensor_fit"] for facts in cameras} == set(SENSOR_FITS)
    for number, facts in enumerate(cameras):
        wanted = np.load(rendered / f"{number}.npy")  # [H, W]
        found = silhouette(positions, triangles, camera_from_facts(facts))[0].numpy()
        assert 0.01 < wanted.mean() < 0.6, number
        both, either = (wanted > 0.5) & (found > 0.5), (wanted > 0.5) | (found > 0.5)
        iou = both.sum() / either.sum()
        assert iou >= 0.995, (number, iou)
        assert np.abs(wanted - found).mean() < 0.001, number

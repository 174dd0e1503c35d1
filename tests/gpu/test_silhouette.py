"""Silhouettes, depth and normals on every accelerator of this machine; skipped where there is none."""

from __future__ import annotations

import pytest
import torch

from backend.device import available_devices, choose_device
from backend.rendering.camera import OrbitCamera, stack
from backend.rendering.silhouette import seen, silhouette
from tests.meshes import torus

ACCELERATORS = [name for name in available_devices() if name != "cpu"]


@pytest.mark.skipif(not ACCELERATORS, reason="no CUDA or MPS device")
@pytest.mark.parametrize("name", ACCELERATORS)
def test_a_device_sees_what_the_cpu_sees(name: str) -> None:
    mesh = torus(major=0.5, minor=0.2)
    camera = stack([OrbitCamera(azimuth, 40.0, 2.5, 160, 120).camera() for azimuth in (10.0, 100.0)])
    found = []
    for device in (torch.device("cpu"), choose_device(name)):
        points = torch.tensor(mesh.positions(), dtype=torch.float32, device=device, requires_grad=True)
        faces = torch.tensor(mesh.triangles(), dtype=torch.int64, device=device)
        image = silhouette(points, faces, camera)
        image.square().sum().backward()
        view = seen(points.detach(), faces, camera)
        assert points.grad is not None
        found.append(
            [tensor.detach().cpu() for tensor in (image, points.grad, view.face >= 0, view.depth, view.normal)]
        )
    here, there = found
    assert here[2].any()
    assert (here[0] - there[0]).abs().mean() < 1e-5  # single pixels on the outline's very edge may round otherwise
    assert (here[1] - there[1]).norm() < 1e-2 * here[1].norm()
    both = here[2] & there[2]
    assert both.sum() > 0.999 * here[2].sum()
    assert (here[3] - there[3])[both].abs().mean() < 1e-5
    assert (here[4] - there[4])[both].abs().mean() < 1e-2

"""The paper's surface training on every accelerator of this machine; skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.device import available_devices, choose_device
from backend.fields.compiled import can_compile, compiled
from backend.fields.implicit import ImplicitField
from backend.geometry.metrics import surface_distances
from backend.methods.registry import get, spec
from backend.pipeline import bake, train
from backend.training.run import Run
from protocol.messages import MorphRequest, Timeline
from tests.meshes import icosphere

ACCELERATORS = [name for name in available_devices() if name != "cpu"]
SETTINGS = {"steps": 100, "batch": 256, "surface_batch": 256, "surface_steps": 200, "fine_tune_steps": 55}


@pytest.mark.skipif(not ACCELERATORS, reason="no CUDA or MPS device")
@pytest.mark.parametrize("name", ACCELERATORS)
@pytest.mark.parametrize("surface", ["separate", "joint"])
def test_the_paper_preset_gives_closed_surfaces_on_a_device(name: str, surface: str) -> None:
    source = icosphere(3)
    target = source.with_positions(source.positions() * np.array([1.0, 0.7, 1.3]) + 3.0)
    method = spec(get("velocity_field"))
    request = MorphRequest(
        source, target, method.name, method.etag, preset="paper", settings=SETTINGS | {"surface": surface},
        topology="remesh",
    )  # fmt: skip
    trained = train(request, Run(device=choose_device(name)))
    assert trained.report["device"] == str(choose_device(name))
    assert trained.report["surface_steps"] == 255
    frames = [frame.mesh for frame in bake(trained.morph, Timeline(3))]
    for mesh, end in ((frames[0], source), (frames[-1], target)):
        assert surface_distances(mesh.positions(), end.positions()).chamfer < 0.1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_compiled_on_a_device_is_eager_on_the_cpu() -> None:
    device = choose_device("cuda")
    assert can_compile(device)
    field = ImplicitField(64, 5)
    points = torch.rand((200, 3), generator=torch.Generator().manual_seed(0))
    here = field.derivatives(points, 0.5)
    field.to(device)
    field.evaluated_by(lambda function: compiled(function, device))
    there = field.derivatives(points.to(device), 0.5)
    torch.testing.assert_close(there.value.cpu(), here.value, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(there.gradient.cpu(), here.gradient, rtol=1e-3, atol=2e-3)
    loss = there.value.abs().mean() + (1.0 - there.gradient.norm(dim=1)).square().mean()
    assert all(g.isfinite().all() for g in torch.autograd.grad(loss, list(field.parameters())))

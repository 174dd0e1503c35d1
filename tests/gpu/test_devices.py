"""The default method on every accelerator of this machine; skipped where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from backend.device import available_devices, choose_device
from backend.methods.registry import get, spec
from backend.pipeline import bake, train
from backend.training.run import Run
from protocol.messages import MorphRequest, Timeline
from tests.meshes import icosphere

ACCELERATORS = [name for name in available_devices() if name != "cpu"]


@pytest.mark.skipif(not ACCELERATORS, reason="no CUDA or MPS device")
@pytest.mark.parametrize("name", ACCELERATORS)
@pytest.mark.parametrize("preset", ["draft", "paper", "sequence"])
def test_a_device_gives_what_the_cpu_gives(name: str, preset: str) -> None:
    source = icosphere(3)
    target = source.with_positions(source.positions() * np.array([1.0, 0.5, 2.0]) + 3.0)
    settings = {"steps": 50} | ({"batch": 256} if preset != "draft" else {})
    method = spec(get("velocity_field"))
    request = MorphRequest(source, target, method.name, method.etag, preset=preset, settings=settings)
    here, there = (train(request, Run(device=choose_device(device))) for device in ("cpu", name))
    assert there.report["device"] == str(choose_device(name))
    for one, two in zip(bake(here.morph, Timeline(5)), bake(there.morph, Timeline(5)), strict=True):
        np.testing.assert_allclose(one.mesh.vertices, two.mesh.vertices, atol=0.02)
    assert there.report["raw_flow_corr_error_t1"] == pytest.approx(here.report["raw_flow_corr_error_t1"], abs=0.02)

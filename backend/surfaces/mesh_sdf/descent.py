"""From the code of one shape towards what is seen of another: MeshSDF's demonstration.

Remelli et al., NeurIPS 2020, published code: Adam on the code, by the mean squared difference of two silhouettes,
through the differentiable surface of the code in each step.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from backend.geometry.arrays import Float64, Int64
from backend.geometry.edges import edges_of
from backend.geometry.isosurface import Grid, grid_over
from backend.geometry.metrics import topology
from backend.geometry.tracked_surface import TrackedSurface
from backend.rendering.camera import Camera, OrbitCamera
from backend.rendering.silhouette import silhouette
from backend.surfaces.mesh_sdf.differentiable_surface import differentiable_surface
from backend.surfaces.mesh_sdf.model import DecoderModel
from backend.training.adam import Adam
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingError

STEPS = 100
RATE = 0.05
CELLS = 64  # along each side of the box -1..1
SHOWN = 10  # steps between two that are measured and kept
CAMERA = OrbitCamera(azimuth=45.0, elevation=30.0, distance=2.5, width=256, height=256)

Surface = tuple[Float64, Int64]  # positions [V, 3] and triangles [T, 3]


@dataclass(eq=False)
class Descent:
    """What came of it; lists are over the iterations, of extractions over the whole grid."""

    iterations: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    euler: list[int] = field(default_factory=list)
    components: list[int] = field(default_factory=list)
    codes: list[list[float]] = field(default_factory=list)
    meshes: list[MeshData] = field(default_factory=list)
    seconds: float = 0.0  # of the descent, without what was measured
    cpu_seconds: float = 0.0
    evaluations: int = 0  # of the field, by the extractions of the descent

    def report(self) -> dict[str, Any]:
        """Of plain types."""
        names = ("iterations", "loss", "euler", "components", "codes", "seconds", "cpu_seconds", "evaluations")
        return {name: getattr(self, name) for name in names}


def box(cells: int = CELLS) -> Grid:
    """The cells that surfaces are extracted from."""
    return grid_over(np.full(3, -1.0), np.full(3, 1.0), cells)


def descend(
    model: DecoderModel,
    start: int,
    wanted: Tensor,  # [1, H, W], coverage in 0..1
    camera: Camera,
    run: Run,
    *,
    full_grid: bool = False,
    steps: int = STEPS,
    cells: int = CELLS,
) -> Descent:
    """From the code of shape ``start``. ``full_grid``: every extraction evaluates all of it."""
    if not bool((wanted > 0.5).any()):
        raise SettingError("the target's silhouette is empty: the camera sees nothing of it; turn it to the shape")
    code = nn.Parameter(model.decoder.codes.detach()[start].clone())
    optimiser, grid = Adam([code]), box(cells)
    tracked, found = TrackedSurface(grid), Descent()
    network = model.decoder.network
    with run.phase("following the silhouette"):
        for step in range(steps + 1):
            if step % SHOWN == 0 or step == steps:
                _measure(found, step, model, code, wanted, camera, grid)
            run.progress(step, steps, found.loss[-1])
            if step == steps:
                break
            began, cpu = time.monotonic(), time.process_time()
            values = model.values_at(code)
            positions, triangles = tracked.whole(values) if full_grid else tracked.extract(values)
            _check(triangles, step)
            vertices = torch.as_tensor(positions, dtype=torch.float32, device=code.device)
            moved = differentiable_surface(lambda points: network(points, code), vertices, [code])
            (gradient,) = torch.autograd.grad(_loss(moved, triangles, wanted, camera), [code])
            optimiser.step([gradient], RATE)
            found.seconds += time.monotonic() - began
            found.cpu_seconds += time.process_time() - cpu
    found.evaluations = tracked.evaluations
    return found


def silhouette_of(surface: Surface, camera: Camera) -> Tensor:
    """Coverage [1, H, W] of a surface in the frame of the decoder. Raises ``SettingError`` where nothing is seen."""
    camera.require_in_view(surface[0])
    return silhouette(torch.as_tensor(surface[0], dtype=torch.float32), torch.from_numpy(surface[1]), camera)


def euler_characteristic(triangles: Int64) -> int:
    """Vertices less edges and more faces of triangles [T, 3]: 2 of a ball, 0 of a ring."""
    return len(np.unique(triangles)) - len(edges_of(triangles).ends) + len(triangles)


def _measure(
    found: Descent, step: int, model: DecoderModel, code: Tensor, wanted: Tensor, camera: Camera, grid: Grid
) -> None:
    positions, triangles = TrackedSurface(grid).whole(model.values_at(code))
    _check(triangles, step)
    vertices = torch.as_tensor(positions, dtype=torch.float32, device=code.device)
    found.iterations.append(step)
    found.loss.append(float(_loss(vertices, triangles, wanted, camera)))
    found.euler.append(euler_characteristic(triangles))
    found.components.append(topology(len(positions), triangles)["components"])
    found.codes.append(code.detach().cpu().tolist())
    found.meshes.append(MeshData.from_triangles(positions, triangles))


def _check(triangles: Int64, step: int) -> None:
    """Raises ``SettingError`` where a surface with triangles [T, 3] has none."""
    if not len(triangles):
        raise SettingError(f"the surface is gone after {step} steps; train the decoder longer")


def _loss(vertices: Tensor, triangles: Int64, wanted: Tensor, camera: Camera) -> Tensor:
    """The mean squared difference of the silhouettes; a scalar."""
    faces = torch.from_numpy(triangles).to(vertices.device)
    return (silhouette(vertices, faces, camera) - wanted.to(vertices.device)).square().mean()

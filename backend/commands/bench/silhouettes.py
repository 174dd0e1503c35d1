"""Silhouettes: CPU time of an image of a mesh and of its gradient."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import torch

from backend.commands.bench.table import Figure
from backend.geometry.arrays import Float64, Int64
from backend.rendering.silhouette import silhouette
from backend.surfaces.mesh_sdf.descent import CAMERA

RUNS: Final = 15
SIDES: Final = ((128, ""), (256, "60 CPU ms"), (512, ""))  # pixels, and what is to be reached


def measure_silhouettes(
    positions: Float64, triangles: Int64, runs: int = RUNS, sides: Sequence[tuple[int, str]] = SIDES
) -> list[Figure]:
    """Of a mesh in the ball of radius 1, by the demonstration's camera: forward and backward, the median of runs."""
    vertices = torch.as_tensor(positions, dtype=torch.float32).requires_grad_()
    faces = torch.from_numpy(triangles)
    figures = []
    for side, reach in sides:
        camera = replace(CAMERA, width=side, height=side).camera()
        spent = []
        for _ in range(runs):
            started = time.process_time()
            torch.autograd.grad(silhouette(vertices, faces, camera).square().mean(), vertices)
            spent.append(time.process_time() - started)
        what = f"silhouette of {len(triangles):,} faces at {side} x {side}, forward and backward"
        figures.append(Figure(what, f"{1e3 * statistics.median(spent):.0f} CPU ms", reach))
    return figures

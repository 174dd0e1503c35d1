"""Extraction: CPU seconds of one frame from a network of the size that the papers use."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from backend.commands.bench.pairs import SHIPPED
from backend.commands.bench.table import Figure
from backend.device import configure, flushed_denormals
from backend.fields.evaluate import evaluated
from backend.fields.implicit import ImplicitField
from backend.geometry.arrays import Float64
from backend.geometry.io import read_mesh
from backend.geometry.isosurface import extract, grid_over
from backend.geometry.normalise import unit_length
from backend.geometry.repair import WorkingMesh, working_mesh
from backend.geometry.sampling import sample_surface
from backend.geometry.signed_distance import signed_distance

UPDATES: Final = 200
BATCH: Final = 2048  # points of each
POINTS: Final = 50_000
SPREADS: Final = (0.005, 0.02, 0.1)  # of the points around the surface, units
MARGIN: Final = 0.05  # around the surface, units
REACHES: Final = ((128, "2 CPU s"), (256, "10 CPU s"))


def measure_extraction(updates: int = UPDATES, reaches: Sequence[tuple[int, str]] = REACHES) -> list[Figure]:
    """One frame of the shipped source at each resolution, from a field that was fitted to it for a little while."""
    configure()
    mesh = working_mesh(read_mesh(SHIPPED.source), "source")
    middle = (mesh.positions.min(axis=0) + mesh.positions.max(axis=0)) / 2
    positions = (mesh.positions - middle) / unit_length(mesh.positions)
    surface = WorkingMesh(positions, mesh.triangles, mesh.vertex_map, ())
    field, slope = fitted(surface, updates)
    figures = []
    for resolution, reach in reaches:
        grid = grid_over(positions.min(axis=0) - MARGIN, positions.max(axis=0) + MARGIN, resolution)
        counts: list[int] = []

        def values(points: Float64, counts: list[int] = counts) -> Float64:
            counts.append(len(points))
            return evaluated(field, points, 0.0)

        started = time.process_time()
        _, triangles = extract(values, grid, slope=slope)
        seconds = time.process_time() - started
        value = f"{seconds:.1f} CPU s ({sum(counts):,} points, {len(triangles):,} triangles)"
        figures.append(Figure(f"extraction of one frame at {resolution} from an 8x256 field", value, reach))
    return figures


def fitted(surface: WorkingMesh, updates: int) -> tuple[ImplicitField, float]:
    """A field near the signed distance to ``surface`` (lengths of order one), and a bound of its slope there."""
    random = np.random.default_rng(0)
    on_surface, _, _ = sample_surface(surface.positions, surface.triangles, POINTS, random)
    points = on_surface + np.resize(SPREADS, POINTS)[:, None] * random.normal(size=on_surface.shape)
    inputs = torch.as_tensor(points, dtype=torch.float32)
    labels = torch.as_tensor(signed_distance(points, surface.positions, surface.triangles), dtype=torch.float32)
    field = ImplicitField(radius=0.5)
    adam = torch.optim.Adam(field.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    with flushed_denormals():
        for update in range(updates):
            adam.param_groups[0]["lr"] = 1e-3 * (1.0 - update / updates)
            rows = torch.randint(POINTS, (BATCH,), generator=generator)
            adam.zero_grad()
            (field(inputs[rows], 0.0) - labels[rows]).abs().mean().backward()
            adam.step()
        slopes = field.derivatives(inputs[:BATCH], 0.0).gradient.norm(dim=1)
    return field, float(slopes.detach().max())

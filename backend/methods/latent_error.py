"""How far the network of a ``LatentField`` is from both ends, before its correction."""

from __future__ import annotations

import time

import numpy as np
import torch

from backend.fields.mlp import Mlp, MlpShape
from backend.geometry.distance import exact_distances
from backend.geometry.isosurface import extract, grid_over
from backend.geometry.repair import WorkingMesh
from backend.geometry.triangles import diagonal
from backend.methods.latent_field import LatentField
from backend.training.run import Run
from backend.training.shape_samples import Shape

MEASURED = 96  # cells along the longest side where the error of the network alone is measured
MEASURED_POINTS = 20_000  # on each surface
MEASURED_VALUES = 150_000  # of the network, in all that


def measure_ends(field: LatentField, run: Run) -> None:
    """Adds ``raw_chamfer_t0`` and ``raw_chamfer_t1`` to the facts of the run, in diagonals."""
    raw = field.raw()
    ends = (field.carried.source, field.shapes[0]), (field.carried.target, field.shapes[-1])
    for end, (surface, shape) in enumerate(ends):
        run.progress(end, 2)
        run.facts[f"raw_chamfer_t{end}"] = _chamfer(raw, float(end), surface, shape, run.seed)


def seconds_to_measure(form: MlpShape, run: Run) -> float:
    """Measured on a few points: what must be left of a time budget for the error of the network alone."""
    if run.seconds is None:
        return 0.0
    network = Mlp(form).to(run.device)
    few = torch.zeros(4096, form.inputs, device=run.device)
    with torch.no_grad():
        network(few)
        started = time.monotonic()
        network(few)
        once = time.monotonic() - started
    return once * MEASURED_VALUES / len(few) + 1.0


def _chamfer(field: LatentField, t: float, surface: WorkingMesh, shape: Shape, seed: int) -> float:
    """Mean distance between the zero level at ``t`` and a surface, both ways, in the surface's diagonals; 1 if empty.

    From points of either to the other itself, so that nothing is left where they agree.
    """
    positions, triangles = extract(lambda p: field.values(p, t), grid_over(*field.box(t), MEASURED), slope=field.slope)
    if not len(triangles):
        return 1.0
    rng = np.random.default_rng(seed)
    shown = surface.triangles[~shape.sides.buried]  # what lies inside another part is no part of any zero level
    there, back = exact_distances((positions, triangles), (surface.positions, shown), MEASURED_POINTS, rng)
    return float(there.mean() + back.mean()) / 2 / diagonal(surface.positions, surface.triangles)

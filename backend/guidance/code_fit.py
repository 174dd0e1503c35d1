"""The shift of a field's latent code that brings its surface nearest to the masks (Remelli et al. 2020).

A vertex of the zero level moves by -n ds / |grad s| where the field changes by ds, so the gradient of the silhouettes'
loss by the code is the sum of -(dL/dv . n) / |grad s| ds(v; c)/dc over the vertices, eq. 5 of the paper with the length
of the gradient that it takes to be 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from backend.geometry.arrays import Float64, Int64
from backend.geometry.isosurface import grid_over
from backend.geometry.tracked_surface import TrackedSurface
from backend.geometry.triangles import unit, vertex_normals
from backend.guidance.descent import Pace, descend
from backend.guidance.objective import ENOUGH, Objective
from backend.guidance.view import CloseUp
from backend.methods.field_morph import MovingField

FIRST, LAST = 0.1, 0.004  # of the distance between the codes of neighbouring shapes: the longest step, and the shortest
FAR = 0.02  # what a shift as long as that distance adds to the loss, growing with its square
WORTH = 0.5  # of the loss without a shift: if more is left, the shape is another one, and the code is left as it is
PROBE = 0.1  # cells of the grid, on either side of a vertex, between which the slope is measured
LEAST = 0.1  # of the median slope: where the field is flatter, it moves as if it were so steep

Watch = Callable[[Float64, Int64, float], bool]  # at every step: the mesh and the loss; whether to go on


def fit_code(
    field: MovingField,
    time: float,
    close_ups: Sequence[CloseUp],
    resolution: int,  # cells along the longest side of the field's box
    steps: int,
    device: torch.device,
    watch: Watch,
) -> Float64 | None:
    """The shift [C]; None where the field has no code, or none that is worth it."""
    if not field.code_size or field.code_span <= 0.0:
        return None
    grid = grid_over(*field.box(time), resolution).with_room()
    surface, objective = TrackedSurface(grid, slope=field.slope), Objective(close_ups)
    losses: list[float] = []
    done = False

    def evaluate(shift: Float64) -> tuple[float, Float64]:
        nonlocal done
        steered = field.steered(shift)
        positions, triangles = surface.extract(lambda points: steered.values(points, time))
        vertices = torch.as_tensor(positions, device=device).requires_grad_()
        images = objective.images(vertices, torch.as_tensor(triangles, device=device))
        loss = objective(images)
        (pull,) = torch.autograd.grad(loss, vertices)
        weights = _weights(steered, positions, triangles, time, pull.cpu().numpy(), PROBE * grid.cell)
        away = shift / field.code_span
        losses.append(float(loss.detach()) + FAR * float(away @ away))
        enough = objective.agreement([image.detach() for image in images]) >= ENOUGH
        done = not watch(positions, triangles, losses[-1]) or enough
        return losses[-1], steered.code_gradient(positions, time, weights) + 2.0 * FAR * away / field.code_span

    pace = Pace(FIRST * field.code_span, LAST * field.code_span, steps)
    best = descend(np.zeros(field.code_size), evaluate, lambda c: float(np.linalg.norm(c)), pace, lambda *_: not done)
    return best if min(losses) < WORTH * losses[0] else None


def _weights(
    field: MovingField, positions: Float64, triangles: Int64, time: float, pull: Float64, step: float
) -> Float64:
    """What a change of the field at each vertex [V] counts, where moving the vertices counts ``pull`` [V, 3]."""
    if not len(positions):
        return np.zeros(0)
    normals = unit(vertex_normals(positions, triangles))
    ahead, behind = (field.values(positions + sign * step * normals, time) for sign in (1.0, -1.0))
    slope = (ahead - behind) / (2.0 * step)
    return np.asarray(-(pull * normals).sum(axis=1) / np.maximum(slope, LEAST * max(float(np.median(slope)), LEAST)))

"""The surface that a model has at a code: extracted, and refined until its silhouette is that of an image."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor

from backend.fields.evaluate import evaluated
from backend.geometry.arrays import Float64, Int64
from backend.geometry.isosurface import BATCH, Grid, grid_over, without_fragments
from backend.geometry.tracked_surface import TrackedSurface
from backend.rendering.camera import Camera
from backend.rendering.silhouette import silhouette
from backend.single_view.model import SingleViewModel
from backend.surfaces.mesh_sdf.differentiable_surface import differentiable_surface
from backend.training.adam import Adam
from backend.training.run import Run

Surface = tuple[Float64, Int64]  # positions [V, 3] and triangles [T, 3], frame of the dataset
SPECK = 0.01  # of the area: connected parts with less are no part of the shape
HELD = 3  # steps of a refinement between two looks at whether to show it


@dataclass(frozen=True, eq=False)
class Refinement:
    """What a refinement came to."""

    code: Tensor  # [latent]
    loss: float  # mean absolute difference of the silhouettes, of the best step
    first: float  # of the first
    steps: int


def grid_of(model: SingleViewModel, cells: int) -> Grid:
    """Where surfaces of the model are, ``cells`` along the longest side of its box."""
    return grid_over(model.low, model.high, cells).with_room()


def values_of(model: SingleViewModel, code: Tensor) -> Callable[[Float64], Float64]:
    """The field at a code [latent] as extraction takes it."""
    return lambda points: evaluated(lambda p, _: model.network.decoder(p, code), points, 0.0, device=model.device)


def surface_at(model: SingleViewModel, code: Tensor, cells: int, run: Run) -> Surface:
    """The surface of a code [latent], without specks; empty where there is none."""
    grid = grid_of(model, cells)
    values, done = values_of(model, code), count()
    batches = -(-math.prod(number + 1 for number in grid.counts) // BATCH)

    def told(points: Float64) -> Float64:
        run.progress(next(done), batches)
        return values(points)

    surface = TrackedSurface(grid).whole(told)
    return without_fragments(*surface, SPECK) if len(surface[1]) else surface


def refined(
    model: SingleViewModel,
    start: Tensor,  # [latent]
    alpha: Tensor,  # [S, S], 0..1
    camera: Camera,  # of that image, in the frame of the dataset
    run: Run,
    show: Callable[[Surface], None],
) -> Refinement:
    """The code whose surface has the silhouette of an image (Remelli et al., NeurIPS 2020, section 4.2).

    Adam on the code and the mean absolute difference, as published. The code moves along the axes in which the codes of
    the trained shapes differ, by their deviations: what one view leaves open then stays as in shapes that are known.
    """
    settings = model.settings
    axes = torch.from_numpy(axes_of(model.codes)).to(alpha) if settings.refine_known else torch.eye(len(start))
    moves = torch.nn.Parameter(torch.zeros(axes.shape[1], device=alpha.device))
    follower, optimiser = TrackedSurface(grid_of(model, settings.refine_cells)), Adam([moves])
    best, losses = (start, float("inf")), list[float]()
    for step in range(settings.refine_steps + 1):
        code = start + axes.to(alpha) @ moves
        positions, triangles = follower.extract(values_of(model, code.detach()))
        if not len(triangles):
            break
        vertices = _vertices(model, code, torch.from_numpy(positions).to(alpha))
        image = silhouette(vertices, torch.from_numpy(triangles).to(alpha.device), camera)[0]
        difference = (image - alpha).abs().mean()
        losses.append(difference.item())
        if losses[-1] < best[1]:
            best = code.detach(), losses[-1]
        run.progress(step, settings.refine_steps, losses[-1])
        if step % HELD == 0:
            show((positions, triangles))
        if step == settings.refine_steps or run.seconds_left() <= 0.0:
            break
        loss = difference + settings.refine_weight * moves.square().mean()
        (gradient,) = torch.autograd.grad(loss, moves)
        optimiser.step([torch.nan_to_num(gradient)], settings.refine_rate)
    return Refinement(best[0], best[1], losses[0] if losses else float("inf"), max(len(losses) - 1, 0))


def _vertices(model: SingleViewModel, code: Tensor, positions: Tensor) -> Tensor:
    """Positions [V, 3] on the surface of a code, as a function of it."""
    return differentiable_surface(lambda points: model.network.decoder(points, code), positions, [code])


def axes_of(codes: Float64) -> Float64:
    """Principal axes [latent, M] of codes [K, latent], each as long as their deviation along it.

    Of fewer than two codes, all directions.
    """
    if len(codes) < 2:
        return np.eye(codes.shape[1])
    _, deviations, axes = np.linalg.svd(codes - codes.mean(axis=0), full_matrices=False)
    deviations /= np.sqrt(len(codes) - 1)
    return np.asarray((deviations[:, None] * axes)[deviations > 1e-6 * max(deviations[0], 1e-30)].T)

"""Normals of a point cloud that has none, all pointing outwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from backend.geometry.arrays import Float64, Int64
from backend.geometry.cells import cells_of, means_of
from backend.geometry.triangles import unit

AROUND = 12  # points that a normal is estimated from
MOST = 3000  # points that decide together what is inside; the others follow them
WIDTH = 1.5  # spacings: nearer than this a point's influence grows no more
DAMPING = 0.3  # of the equations, against noise
ROUNDS = 50  # of conjugate gradients
VOTERS = 10  # neighbours that a normal should agree with
TURNS = 30  # rounds of votes


def oriented_normals(points: Float64) -> Float64:
    """Unit normals [N, D] outwards, of a curve (D = 2) or a surface (D = 3), wherever holes are closed by it.

    Directions are those of the least spread among neighbours (Hoppe et al., SIGGRAPH 1992, section 3.2). Their signs
    come from one linear system for all points together, so that no run is luckier than another: the winding number
    field of dipoles at the points has to be 1/2 at each of them (parametrised Gauss formula, Lin, Xiao, Shi and Wang,
    ACM TOG 2022). What is left of doubt the neighbours decide.
    """
    normals = plane_normals(points)
    few = thinned(points, MOST)
    leading = _agreed(points[few], normals[few], _dipoles(points[few]))
    _, nearest = cKDTree(points[few]).query(points, k=min(3, len(few)))
    lead = leading[nearest.reshape(len(points), -1)].sum(axis=1)
    return _agreed(points, normals, lead)


def plane_normals(points: Float64) -> Float64:
    """Unit normals [N, D] of the planes (D = 2: lines) through the neighbours of every point, with any sign."""
    _, near = cKDTree(points).query(points, k=min(AROUND, len(points)))
    around = points[near.reshape(len(points), -1)]
    around = around - around.mean(axis=1, keepdims=True)
    spread = np.einsum("nki,nkj->nij", around, around)
    return np.asarray(np.linalg.eigh(spread)[1][:, :, 0])


def spacing(points: Float64, neighbours: int = 8) -> Float64:
    """Mean distance between points around each [N], as if the surface around it were evenly covered."""
    reach = cKDTree(points).query(points, k=[min(neighbours + 1, len(points))])[0][:, 0]
    if points.shape[1] == 2:
        return np.asarray(2.0 * reach / neighbours)
    return np.asarray(reach * np.sqrt(np.pi / neighbours))


def thinned(points: Float64, most: int) -> Int64:
    """Numbers of at most ``most`` points [N, D], evenly spread: those in the middle of cubic cells."""
    if len(points) <= most:
        return np.arange(len(points))
    corner = points.min(axis=0)
    low, high = 0.0, float(np.ptp(points, axis=0).max())
    for _ in range(30):
        side = (low + high) / 2
        low, high = (side, high) if cells_of(points, corner, side).max() >= most else (low, side)
    cell = cells_of(points, corner, high)
    order = np.lexsort((np.linalg.norm(points - means_of(points, cell)[cell], axis=1), cell))
    return np.asarray(order[np.unique(cell[order], return_index=True)[1]])


def _dipoles(points: Float64) -> Float64:
    """Dipoles [N, D] outwards whose winding number is 1/2 at every point, the smallest that there are."""
    places = torch.as_tensor(points, dtype=torch.float32)
    reach = torch.as_tensor(WIDTH * spacing(points), dtype=torch.float32)
    field = _influence(places, reach).reshape(len(points), -1)  # [N, N D]
    own = field.square().sum(dim=1)
    wanted = torch.full((len(points),), 0.5)

    def equations(x: Tensor) -> Tensor:
        return field @ (field.T @ x) + DAMPING * own * x

    solved = _conjugate_gradients(equations, wanted, 1.0 / ((1.0 + DAMPING) * own))
    return (field.T @ solved).reshape(points.shape).double().numpy()


def _influence(points: Tensor, reach: Tensor) -> Tensor:
    """Winding number at every point of a unit dipole at every other [N, N, D]; ``reach`` [N] is that of the dipole."""
    away = points[None] - points[:, None]
    squared = torch.maximum(away.square().sum(dim=-1), reach.square())[..., None]
    if points.shape[1] == 2:
        return away / (2.0 * torch.pi * squared)
    return away / (4.0 * torch.pi * squared**1.5)


def _conjugate_gradients(equations: Callable[[Tensor], Tensor], wanted: Tensor, preconditioner: Tensor) -> Tensor:
    """The solution x [N] of equations(x) = wanted, about."""
    x = torch.zeros_like(wanted)
    rest = wanted.clone()
    scaled = preconditioner * rest
    direction, energy = scaled.clone(), rest @ scaled
    for _ in range(ROUNDS):
        image = equations(direction)
        step = energy / (direction @ image)
        x, rest = x + step * direction, rest - step * image
        scaled = preconditioner * rest
        before, energy = energy, rest @ scaled
        direction = scaled + energy / before * direction
        if float(rest.norm()) < 1e-4 * float(wanted.norm()):
            break
    return x


def _agreed(points: Float64, normals: Float64, lead: Float64) -> Float64:
    """The normals turned along ``lead`` [N, D] where that is strong, and like their neighbours where it is weak."""
    strength = np.einsum("nd,nd->n", lead, normals) / max(float(np.linalg.norm(lead, axis=1).mean()), 1e-300)
    _, near = cKDTree(points).query(points, k=min(VOTERS + 1, len(points)))
    near = near.reshape(len(points), -1)[:, 1:]
    alike = np.einsum("nd,nkd->nk", normals, normals[near])
    sign = np.where(strength < 0.0, -1.0, 1.0)
    for _ in range(TURNS):
        vote = 0.5 * strength + (alike * sign[near]).mean(axis=1)
        turned = np.where(vote < 0.0, -1.0, 1.0)
        if (turned == sign).all():
            break
        sign = turned
    return unit(sign[:, None] * normals)

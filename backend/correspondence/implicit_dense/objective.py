"""The whole loss of a training step of implicit dense correspondence."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from backend.correspondence.implicit_dense.data import Batch
from backend.correspondence.implicit_dense.networks import DenseNetworks, occupancy
from backend.correspondence.implicit_dense.settings import DenseSettings, Stage
from backend.losses.carried_normals import carried_normals
from backend.losses.chamfer import chamfer
from backend.losses.known_pairs import known_pairs
from backend.losses.occupancy import occupancy_error
from backend.losses.patches import patch_members, patch_smoothness
from backend.losses.reconstruction import self_reconstruction
from backend.losses.transport import transport

LEAN = 0.01  # diagonals along the surface to the points that tell its image's normal
BLUR = 0.01  # diagonals, of the transport plan
SOFTENING = 0.02  # diagonals: smaller offsets than this may differ within a patch


def dense_loss(
    networks: DenseNetworks,
    batch: Batch,
    again: Batch | None,  # the same samples of the same shapes, grown otherwise
    stage: Stage,
    settings: DenseSettings,
    generator: torch.Generator,
) -> Tensor:
    """The terms of a stage, weighed; a scalar."""
    weights = settings.weights
    codes = networks.encoder(batch.points)
    inside = occupancy(networks.implicit(codes, batch.around))
    loss = weights.occupancy * occupancy_error(inside, batch.inside)
    if not stage.inverse:
        return loss
    points = batch.points[:, : settings.matched]
    embeddings = networks.implicit(codes, points)
    rebuilt = networks.inverse(codes, embeddings)
    loss = loss + weights.self_reconstruction * self_reconstruction(rebuilt, points)
    if not stage.cross:
        return loss
    loss = loss + _cross(networks, batch, codes, embeddings, settings, generator)
    if again is not None:
        other = networks.encoder(again.points)
        carried = networks.inverse(other, embeddings)
        loss = loss + weights.known_pairs * known_pairs(carried, again.points[:, : settings.matched])
    return loss


def _cross(
    networks: DenseNetworks,
    batch: Batch,
    codes: Tensor,  # [S, Z]
    embeddings: Tensor,  # [S, P, k], of the first points
    settings: DenseSettings,
    generator: torch.Generator,
) -> Tensor:
    """Every shape's points laid onto the shape before it in the batch."""
    weights, points = settings.weights, batch.points[:, : settings.matched]
    onto, wanted = codes.roll(1, 0), batch.points.roll(1, 0)
    places = networks.inverse(onto, embeddings)
    loss = weights.chamfer * chamfer(places, wanted, settings.reach)
    if weights.transport:
        few = settings.transported
        loss = loss + weights.transport * transport(places[:, :few], wanted[:, :few], BLUR, settings.reach)
    if weights.normals:
        some = slice(0, settings.leaning)
        tangents = _tangents(batch.normals[:, some])
        along = [points[:, some] + LEAN * tangent for tangent in tangents]
        images = networks.inverse(onto, networks.implicit(codes, torch.cat(along, dim=1)))
        first, second = images.chunk(2, dim=1)
        normals = batch.normals.roll(1, 0)
        loss = loss + weights.normals * carried_normals(places[:, some], (first, second), wanted, normals)
    if weights.smoothness:
        members = patch_members(points, settings.patches, settings.members, settings.radius, generator)
        loss = loss + weights.smoothness * patch_smoothness(places - points, members, SOFTENING)
    return loss


def _tangents(normals: Tensor) -> tuple[Tensor, Tensor]:
    """Two unit vectors [S, N, 3] across each normal, right-handed with it."""
    axis = functional.one_hot(normals.abs().argmin(dim=-1), 3).to(normals)
    first = functional.normalize(torch.cross(axis, normals, dim=-1), dim=-1)
    return first, torch.cross(normals, first, dim=-1)

"""What a shape space is trained to, and what an encoding looks for.

Gropp et al., ICML 2020 (IGR), eq. 2 with the code's length beside it (section 5.2): the mean of |f| on the surface, a
tenth of the eikonal loss around it, the normals, and a thousandth of |z|. The published code takes |z| as the root of
the sum of squares in training and as the sum of magnitudes in encoding; here it is the root in both. Where distances
are known, as those around a mesh are, they are asked for themselves, and one pass replaces three.
"""

from __future__ import annotations

import torch
from torch import Tensor

from backend.losses.eikonal import eikonal
from backend.losses.known_distance import known_distance
from backend.losses.normals import normal_distance
from backend.losses.on_surface import on_surface
from backend.surfaces.space.network import SpaceNetwork
from backend.surfaces.space.settings import SpaceSettings
from backend.training.shape_samples import ShapeSamples

ROOM = 1.2  # half the side of the box in which the eikonal loss is asked for, frame of the space
SHARE = 8  # points around the shapes for one anywhere in that box


def space_loss(
    network: SpaceNetwork,
    samples: ShapeSamples,  # of S shapes one after the other, equally many of each
    codes: Tensor,  # [S, C]
    settings: SpaceSettings,
    generator: torch.Generator,
) -> Tensor:
    """The loss of some shapes, a scalar."""
    loss: Tensor = settings.code_weight * codes.norm(dim=1).mean()
    if len(samples.points):
        values = network.values(samples.points, codes)
        loss = loss + settings.label_weight * known_distance(values, samples.distances, samples.weights)
    if len(samples.surface):
        loss = loss + _published(network, samples, codes, settings, generator)
    return loss


def _published(
    network: SpaceNetwork, samples: ShapeSamples, codes: Tensor, settings: SpaceSettings, generator: torch.Generator
) -> Tensor:
    """The terms for points alone. One pass gives values and gradients, on the surface and around it."""
    shapes = len(codes)
    on = samples.surface.reshape(shapes, -1, 3)  # [S, P, 3]
    count = on.shape[1]
    local = on + settings.sigma * torch.randn(on.shape, generator=generator).to(on)
    box = ROOM * (2.0 * torch.rand(shapes, count // SHARE + 1, 3, generator=generator) - 1.0).to(on)
    every = torch.cat([on, local, box], dim=1)
    values, gradients = network.values_and_gradients(every.reshape(-1, 3), codes)
    values, gradients = values.reshape(shapes, -1), gradients.reshape(shapes, -1, 3)
    loss = settings.surface_weight * on_surface(values[:, :count])
    loss = loss + settings.eikonal_weight * eikonal(gradients[:, count:])
    known = samples.normals.reshape(shapes, -1, 3)
    facing = known.square().sum(-1) > 0.0
    if bool(facing.any()):
        loss = loss + settings.normal_weight * normal_distance(gradients[:, :count][facing], known[facing])
    return loss

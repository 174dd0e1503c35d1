"""Images of a mesh for training: shaded by a light at the camera's shoulder, the alpha channel its silhouette."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from backend.rendering.camera import Camera
from backend.rendering.silhouette import seen, silhouette
from backend.single_view.framing import Pixels

LIGHT = (-0.35, -0.6, -0.72)  # direction to it, in camera space: from the left, above and behind
FILL = (0.7, 0.1, -0.5)  # to a second one, so that no side is without shade
AMBIENT, KEY, SECOND = 0.25, 0.55, 0.2
COLOUR = (0.82, 0.80, 0.77)  # of the shape, red, green and blue
FINER = 2  # samples along a pixel's side


@torch.no_grad()
def rendered(positions: Tensor, triangles: Tensor, camera: Camera) -> Pixels:
    """Images [B, H, W, 4] of a mesh by each view of the camera; positions [V, 3], triangles [T, 3]."""
    alpha = silhouette(positions, triangles, camera)  # [B, H, W]
    fine = camera.resized(FINER * camera.width, FINER * camera.height)
    found = seen(positions, triangles, fine)
    rotation = positions.new_tensor(camera.world_to_camera)[:, :3, :3]
    normal = torch.einsum("bij,bhwj->bhwi", rotation, found.normal)
    lit = AMBIENT + sum(
        power * (normal @ normal.new_tensor(_unit(direction))).clamp(min=0.0)
        for direction, power in ((LIGHT, KEY), (FILL, SECOND))
    )
    hit = (found.face >= 0).to(positions.dtype)
    blocks = (len(camera), camera.height, FINER, camera.width, FINER)
    total = (lit * hit).view(blocks).sum((2, 4))
    shade = total / hit.view(blocks).sum((2, 4)).clamp(min=1.0)
    colour = shade[..., None] * shade.new_tensor(COLOUR)
    image = torch.cat([colour, alpha.clamp(0.0, 1.0)[..., None]], dim=3)
    return (255.0 * image).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def _unit(direction: tuple[float, float, float]) -> list[float]:
    return list(np.array(direction) / np.linalg.norm(direction))

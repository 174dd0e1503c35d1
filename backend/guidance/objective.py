"""How far silhouettes are from the masks: squared differences of both, and of both made coarser and coarser.

The coarser ones are what pulls where an outline and its mask do not overlap.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from backend.guidance.view import CloseUp

ENOUGH = 0.995  # intersection over union in all views, in the working size, at which a match is done
COARSEST = 6  # pixels along the longer side of the coarsest image, at least


class Objective:
    """The loss of a mesh in all views."""

    def __init__(self, close_ups: Sequence[CloseUp], blur: int = 0) -> None:
        """``blur``: how many of the finest images do not count, each with pixels twice as large as the one before."""
        self._close_ups = close_ups
        self._blur = blur
        self._masks = [self._pyramid(one.mask) for one in close_ups]

    def __call__(self, images: Sequence[Tensor]) -> Tensor:
        """Of the silhouettes [h, w] of every view."""
        total = torch.zeros((), dtype=images[0].dtype, device=images[0].device)
        for image, masks in zip(images, self._masks, strict=True):
            covered = masks[0].mean()
            for found, wanted in zip(self._pyramid(image), masks, strict=True):
                total = total + ((found - wanted) ** 2).mean() / covered
        return total / len(images)

    def images(self, positions: Tensor, triangles: Tensor) -> list[Tensor]:
        """The silhouettes [h, w] of a mesh in every view."""
        return [one.image(positions, triangles) for one in self._close_ups]

    def agreement(self, images: Sequence[Tensor]) -> float:
        """The least intersection over union with a mask."""
        shares = []
        for image, one in zip(images, self._close_ups, strict=True):
            both, either = torch.minimum(image, one.mask).sum(), torch.maximum(image, one.mask).sum()
            shares.append(float(both / either))
        return min(shares)

    def _pyramid(self, image: Tensor) -> list[Tensor]:
        """The image [h, w], and its means over 2 x 2 pixels again and again; the first ones left out."""
        found: list[Tensor] = []
        now = image[None, None]
        while max(now.shape) >= COARSEST or not found:
            found.append(now[0, 0])
            now = avg_pool2d(now, 2, ceil_mode=True, count_include_pad=False)
        return found[min(self._blur, len(found) - 1) :]

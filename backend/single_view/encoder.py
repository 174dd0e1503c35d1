"""The image encoder: a residual network of the kind made for CIFAR (He et al., CVPR 2016, section 4.2).

MeshSDF (Remelli et al., NeurIPS 2020, published code) has four stages of three blocks with 64, 128, 256 and 256
channels, strides 1, 2, 2 and 2, images with alpha, and each image normalised by itself (Ulyanov et al., 2016).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 4  # red, green, blue, alpha
GROWTH = (1, 2, 4, 4)  # channels of the stages, in widths
VIEW = 4  # numbers that tell a camera: cosine and sine of the azimuth, elevation in radians, share of the distance


class Encoder(nn.Module):
    """Images [B, 4, S, S] to codes [B, latent] and, where wanted, cameras [B, 4]."""

    def __init__(
        self, latent: int, width: int = 64, blocks: int = 3, stem_stride: int = 1, pooled: int = 1, view: bool = False
    ) -> None:
        super().__init__()
        self.pooled = pooled
        self.stem = nn.Conv2d(CHANNELS, width, 3, stride=stem_stride, padding=1, bias=False)
        self.norm = nn.InstanceNorm2d(width, affine=True)
        stages, before = [], width
        for number, growth in enumerate(GROWTH):
            for block in range(blocks):
                stride = 2 if number and not block else 1
                stages.append(Block(before, growth * width, stride))
                before = growth * width
        self.blocks = nn.Sequential(*stages)
        self.code = nn.Linear(before * pooled * pooled, latent)
        self.view = nn.Linear(before * pooled * pooled, VIEW) if view else None

    def start_(self, generator: torch.Generator) -> None:
        """Convolutions as He et al. start them, by their outputs; the last layers as torch does."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / fan), generator=generator)
            elif isinstance(module, nn.Linear):
                bound = 1.0 / math.sqrt(module.in_features)
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        found = self.blocks(functional.relu(self.norm(self.stem(images))))
        flat = functional.adaptive_avg_pool2d(found, self.pooled).flatten(1)
        return self.code(flat), None if self.view is None else self.view(flat)


class Block(nn.Module):
    """Two convolutions beside a way around them, which is a convolution of its own where the size changes."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.first_norm = nn.InstanceNorm2d(after, affine=True)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.second_norm = nn.InstanceNorm2d(after, affine=True)
        self.around: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.around = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.InstanceNorm2d(after, affine=True)
            )

    def forward(self, images: Tensor) -> Tensor:
        found = functional.relu(self.first_norm(self.first(images)))
        return functional.relu(self.second_norm(self.second(found)) + self.around(images))

"""The published encoder's formulas, written once more with plain functions over a dictionary of weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

STRIDES = (1, 2, 2, 2)


def normalised(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Every channel of every image to mean 0 and deviation 1, then scaled and shifted."""
    mean = x.mean(dim=(2, 3), keepdim=True)
    variance = (x - mean).square().mean(dim=(2, 3), keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt() * scale[:, None, None] + shift[:, None, None]


def convolved(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """By the sum over the kernel's places, around an image that is 0 outside."""
    size = kernel.shape[2]
    padded = functional.pad(x, [size // 2] * 4)
    height, width = ((n - 1) // stride + 1 for n in x.shape[2:])
    total = x.new_zeros(len(x), len(kernel), height, width)
    for i in range(size):
        for j in range(size):
            part = padded[:, :, i : i + stride * height : stride, j : j + stride * width : stride]
            total += torch.einsum("oc,bchw->bohw", kernel[:, :, i, j], part[:, :, :height, :width])
    return total


def published(images: Tensor, weights: Mapping[str, Tensor], blocks: int) -> Tensor:
    """Codes [B, latent] of images [B, 4, S, S]."""

    def norm(x: Tensor, name: str) -> Tensor:
        return normalised(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    x = norm(convolved(images, weights["stem.weight"], 1), "norm").clamp(min=0.0)
    number = 0
    for stride in STRIDES:
        for block in range(blocks):
            name, step = f"blocks.{number}", stride if block == 0 else 1
            y = norm(convolved(x, weights[f"{name}.first.weight"], step), f"{name}.first_norm").clamp(min=0.0)
            y = norm(convolved(y, weights[f"{name}.second.weight"], 1), f"{name}.second_norm")
            if f"{name}.around.0.weight" in weights:
                x = norm(convolved(x, weights[f"{name}.around.0.weight"], step), f"{name}.around.1")
            x = (x + y).clamp(min=0.0)
            number += 1
    return x.mean(dim=(2, 3)) @ weights["code.weight"].T + weights["code.bias"]

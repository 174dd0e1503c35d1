"""Compiled evaluation of networks, where the platform can and the training is long enough to pay for it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

import torch
from torch import Tensor

LONG = 2000  # updates; compiling takes 15 to 25 seconds and saves a quarter of each

Function = Callable[[Tensor], tuple[Tensor, Tensor]]


def compiled(function: Function, wish: str, updates: int, device: torch.device) -> Function:
    """``function`` compiled if ``wish`` is "auto" and it is worth it here, otherwise as it is."""
    if wish != "auto" or updates < LONG or not can_compile(device):
        return function
    made: Function = torch.compile(function, dynamic=True)

    def guarded(inputs: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal made
        try:
            return made(inputs)
        except torch._dynamo.exc.TorchDynamoException:  # the compiler is there and does not work
            made = function
            return function(inputs)

    return guarded


def can_compile(device: torch.device) -> bool:
    """Whether this platform has what PyTorch's compiler needs."""
    if sys.platform == "win32" or device.type not in ("cpu", "cuda"):
        return False
    if device.type == "cpu":
        return any(shutil.which(name) for name in ("c++", "g++", "clang++"))
    return bool(torch.utils._triton.has_triton())

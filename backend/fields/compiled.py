"""Compiled evaluation of networks, where the platform can."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._triton import has_triton

Function = Callable[[Tensor], tuple[Tensor, Tensor]]


def compiled(function: Function, device: torch.device, backend: str = "inductor") -> Function:
    """``function`` [N, I] -> two tensors, compiled at its first call if this platform can, otherwise as it is.

    Its first call and the first backward pass take 15 to 25 seconds on an idle CPU, whatever the size of the network.
    ``backend`` "aot_eager" only takes it apart and puts it together again, which is quick and shows that it can be.
    """
    if not can_compile(device):
        return function
    made: Function | None = None

    def first(inputs: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal made
        if not torch.is_grad_enabled():  # previews and measurements: another compilation would not pay
            return function(inputs)
        if made is not None:
            return made(inputs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler's own, about parts of PyTorch it imports
            try:
                made = torch.compile(function, dynamic=True, backend=backend)
                return made(inputs)
            except torch._dynamo.exc.TorchDynamoException:  # a compiler that is there and does not work
                made = function
                return function(inputs)

    return first


def can_compile(device: torch.device) -> bool:
    """Whether this platform has what PyTorch's compiler needs."""
    if sys.platform == "win32" or device.type not in ("cpu", "cuda"):
        return False
    if device.type == "cpu":
        return any(shutil.which(name) for name in ("c++", "g++", "clang++"))
    return bool(has_triton())

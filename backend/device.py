"""The device a job runs on, and the settings of PyTorch that every process of ours shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from protocol.settings import SettingError


def configure(threads: int | None = None) -> None:
    """Sets PyTorch's threads (default: ``default_threads``) and determinism."""
    torch.set_num_threads(threads or default_threads())
    for kind in (np.float32, np.float64):
        np.finfo(kind)  # numpy measures these once, and warns if small numbers are flushed by then
    torch.set_deterministic_debug_mode("warn")  # as use_deterministic_algorithms, without a second of imports


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Numbers too small to be normal count as zero on this thread's CPU: they would slow networks down a great deal.

    Only around networks: SciPy's nearest-neighbour trees overflow the stack where it is so.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def default_threads() -> int:
    """Half of the usable cores.

    Our networks are small: more threads mostly wait for each other, and take the cores from Blender.
    """
    return max(usable_cores() // 2, 1)


def available_devices() -> tuple[str, ...]:
    """The devices jobs can run on here, the best first; ``cpu`` is always the last."""
    found = []
    if torch.cuda.is_available():
        found += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def choose_device(name: str) -> torch.device:
    """The device called ``name`` (``auto``: the best one). Raises ``SettingError`` if it is not here."""
    devices = available_devices()
    if name == "auto":
        return torch.device(devices[0])
    for device in devices:
        if device == name or device.split(":")[0] == name:
            return torch.device(device)
    raise SettingError(f"device {name!r} is not available on this machine; it has " + ", ".join(devices))

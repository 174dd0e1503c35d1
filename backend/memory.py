"""Peak memory of this process."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import psutil


def reset_peak_memory() -> None:
    """Starts the measurement anew where the system can (Linux); elsewhere the peak is that of the whole process."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """The largest resident memory in bytes."""
    if sys.platform == "linux":
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    info = psutil.Process().memory_info()
    return int(getattr(info, "peak_wset", info.rss))

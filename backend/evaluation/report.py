"""``report.json``: how a morph was made, what it cost and how good it is, as plain types in a fixed order."""

from __future__ import annotations

import json
import math
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from backend import __version__

LIBRARIES = ("torch", "numpy", "scipy", "libigl", "trimesh", "scikit-image", "pyzmq", "msgpack", "safetensors")


def make_report(
    *,
    method: str,
    preset: str,
    settings: Mapping[str, object],
    seed: int,
    device: str,
    source: Mapping[str, object],
    target: Mapping[str, object],
    correspondence: Mapping[str, object],
    phases: Mapping[str, tuple[float, float]],  # name -> wall and CPU seconds
    facts: Mapping[str, object],  # what the method adds, e.g. raw_flow_corr_error_t1
    metrics: Mapping[str, object],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """The report of one morph. Wall and CPU seconds in all and by phase; peak memory of this process in bytes."""
    report = {
        "tweenfield": __version__,
        "method": method,
        "preset": preset,
        "settings": settings,
        "seed": seed,
        "device": device,
        "source": source,
        "target": target,
        "correspondence": correspondence,
        **facts,
        "metrics": metrics,
        "warnings": list(warnings),
        "seconds": {name: round(wall, 3) for name, (wall, _) in phases.items()},
        "cpu_seconds": {name: round(cpu, 3) for name, (_, cpu) in phases.items()},
        "peak_memory_bytes": peak_memory(),
        "machine": machine(),
        "versions": versions(),
    }
    result: dict[str, Any] = plain(report)
    return result


def write_report(path: str | Path, report: Mapping[str, object]) -> None:
    """Writes the report as indented JSON; numbers that JSON lacks become null."""
    text = json.dumps(plain(report), indent=1, allow_nan=False, ensure_ascii=False)
    Path(path).write_text(text + "\n", encoding="utf-8", newline="\n")


def plain(value: Any) -> Any:
    """``value`` in types of JSON: NumPy values unwrapped, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that numbers depend on; "missing" for one that is not installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def machine() -> dict[str, Any]:
    """The computer, as far as speed depends on it."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": platform.processor() or platform.machine(),
        "cores": psutil.cpu_count(logical=True),
        "memory_bytes": psutil.virtual_memory().total,
    }


def peak_memory() -> int:
    """Largest resident size this process has had, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(largest if sys.platform == "darwin" else largest * 1024)


def times() -> tuple[float, float]:
    """Wall and CPU seconds of this process, for differences."""
    return time.monotonic(), time.process_time()

"""A method from outside the backend that does what its settings say: work, wait, crash, hang, run out of memory.

Registered as anybody's own method would be: ``TWEENFIELD_EXTRA_METHODS=tests.service.extra_methods:Scripted``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from backend.methods.linear import Linear
from backend.methods.method import Method, Morph, Pair
from backend.methods.settings import NoSettings, setting
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingValue

ENDINGS = ("finish", "segfault", "kill", "exit", "raise", "no_memory", "sleep", "stop", "spin", "native")


@dataclass(frozen=True)
class ScriptedSettings:
    steps: int = setting(3, "Steps of the training", minimum=0, maximum=100000)
    step_seconds: float = setting(0.01, "Time of a step", minimum=0.0, maximum=100.0, unit="s")
    frame_seconds: float = setting(0.0, "Time of a frame", minimum=0.0, maximum=100.0, unit="s")
    ending: str = setting("finish", "What happens after the last step", choices=ENDINGS)


class ScriptedMorph(Morph):
    """A linear morph that takes its time."""

    def __init__(self, inner: Morph, frame_seconds: float) -> None:
        self.source = inner.source
        self.time_steps = inner.time_steps
        self._inner = inner
        self._frame_seconds = frame_seconds

    def frames(self, times: Sequence[float]) -> Iterator[MeshData]:
        for mesh in self._inner.frames(times):
            time.sleep(self._frame_seconds)
            yield mesh

    def carries(self, points: NDArray[np.float64], times: Sequence[float]) -> Iterator[NDArray[np.float64]]:
        return self._inner.carries(points, times)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, values = self._inner.state()
        return arrays, {**values, "frame_seconds": self._frame_seconds}


class Scripted(Method):
    """Steps, then an ending."""

    name: ClassVar[str] = "scripted"
    label: ClassVar[str] = "Scripted"
    doc: ClassVar[str] = "Does what its settings say"
    needs_correspondence: ClassVar[bool] = True
    settings_type: ClassVar[type] = ScriptedSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {"standard": {}}

    def fit(self, pair: Pair, settings: ScriptedSettings, run: Run) -> Morph:
        morph = ScriptedMorph(Linear().fit(pair, NoSettings(), run), settings.frame_seconds)
        with run.phase("training"):
            for step in range(settings.steps):
                run.progress(step, settings.steps, 1.0 / (step + 1))
                run.preview(lambda: morph)
                time.sleep(settings.step_seconds)
            _end(settings.ending)
        return morph

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        return ScriptedMorph(Linear().restore(source, arrays, values), values["frame_seconds"])


def _end(ending: str) -> None:
    if ending == "segfault":
        ctypes.string_at(0)
    elif ending == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif ending == "exit":
        os._exit(3)
    elif ending == "raise":
        raise RuntimeError("a fault of the method")
    elif ending == "no_memory":
        torch.empty(1 << 50, dtype=torch.uint8)
    elif ending == "sleep":
        time.sleep(1000)
    elif ending == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif ending == "spin":
        while True:
            pass
    elif ending == "native":
        sum(range(200_000_000))  # one call into C for seconds: no other Python thread runs meanwhile

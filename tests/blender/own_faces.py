"""A method for tests: in ``remesh`` every frame is a ball of its own, finer and larger than the one before."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from backend.methods.linear import Linear
from backend.methods.method import Method, Morph, Pair
from backend.methods.settings import NoSettings, setting
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingValue

RADII = (0.5, 1.5)  # of the first ball and the last


def ball(rings: int, radius: float, colour: float) -> MeshData:
    """Quadrangles and two caps of triangles, with texture coordinates and one colour.

    The upper half is in the first material slot, the lower one in the second, and of the last ball in the third.
    """
    around = 2 * rings
    polar = np.linspace(0.0, np.pi, rings + 1)[1:-1, None]  # [rings - 1, 1]
    angle = np.linspace(0.0, 2.0 * np.pi, around, endpoint=False)[None]
    belt = np.stack(
        np.broadcast_arrays(np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)), -1
    )
    points = radius * np.concatenate([[[0.0, 0.0, 1.0]], belt.reshape(-1, 3), [[0.0, 0.0, -1.0]]])  # [V, 3]
    here = np.arange(around)
    after = (here + 1) % around
    rows = [1 + ring * around for ring in range(rings - 1)]
    north = np.stack([np.zeros(around, int), 1 + here, 1 + after], axis=1)
    south = np.stack([np.full(around, len(points) - 1), rows[-1] + after, rows[-1] + here], axis=1)
    quads = [np.stack([a + here, b + here, b + after, a + after], axis=1) for a, b in pairwise(rows)]
    faces = [*north.tolist(), *(face for block in quads for face in block.tolist()), *south.tolist()]
    corners = np.concatenate(faces)
    offsets = np.concatenate([[0], np.cumsum([len(face) for face in faces])])
    unit = points / radius
    low = np.array([unit[face, 2].mean() < -1e-6 for face in faces])  # [F]
    slots = np.where(low, 1 if colour < 1.0 else 2, 0).astype(np.int32)
    attributes = {
        "uv": (0.5 + 0.5 * unit[corners, :2]).astype(np.float32),  # [C, 2]
        "uv_target": (0.5 + 0.25 * unit[corners, 1:]).astype(np.float32),
        "color": np.tile(np.array([colour, 0.5, 0.25, 1.0], np.float32), (len(points), 1)),  # [V, 4]
        "material": np.repeat(slots, np.diff(offsets)),  # [C]
    }
    return MeshData.from_positions(points, offsets, corners, attributes)


class Balls(Morph):
    """Rings are added and the radius grows in even steps of time."""

    def __init__(self, source: MeshData, gap: bool, resolution: int = 8) -> None:
        self.source = source
        self.gap = gap
        self.time_steps = 0
        self.resolution = resolution

    def at_resolution(self, resolution: int, *, largest_part: bool = False) -> Balls:
        return Balls(self.source, self.gap, resolution)

    def frames(self, times: Sequence[float]) -> Iterator[MeshData]:
        for t in times:
            if self.gap and t == 0.5:
                yield MeshData(np.zeros((0, 3), np.float32), np.zeros(1, np.int32), np.zeros(0, np.int32))
                continue
            yield ball(self.resolution + round(8 * t), RADII[0] + t * (RADII[1] - RADII[0]), t)

    def carries(self, points: NDArray[np.float64], times: Sequence[float]) -> Iterator[NDArray[np.float64]]:
        for t in times:
            yield points + np.array([0.0, 0.0, 2.0 * t])

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return {}, {"topology": "remesh", "gap": self.gap, "resolution": self.resolution}


@dataclass(frozen=True)
class OwnFacesSettings:
    steps: int = setting(1, "Steps of the training", minimum=0, maximum=100000)
    step_seconds: float = setting(0.0, "Time of a step", minimum=0.0, maximum=100.0, unit="s")
    gap: bool = setting(False, "Whether there is nothing halfway")


class OwnFaces(Method):
    """Balls, or a straight motion where the source's faces are kept."""

    name: ClassVar[str] = "own_faces"
    label: ClassVar[str] = "Own faces"
    doc: ClassVar[str] = "Every frame has faces of its own"
    needs_correspondence: ClassVar[bool] = False
    topologies: ClassVar[tuple[str, ...]] = ("keep", "remesh")
    settings_type: ClassVar[type] = OwnFacesSettings
    presets: ClassVar[Mapping[str, Mapping[str, SettingValue]]] = {
        "standard": {},
        "slow": {"steps": 10000, "step_seconds": 0.05},
    }

    def fit(self, pair: Pair, settings: OwnFacesSettings, run: Run) -> Morph:
        keep = pair.topology == "keep"
        morph = Linear().fit(pair, NoSettings(), run) if keep else Balls(pair.source, settings.gap)
        with run.phase("training"):
            for step in range(settings.steps):
                run.progress(step, settings.steps, 1.0 / (step + 1))
                run.preview(lambda: morph)
                time.sleep(settings.step_seconds)
        return morph

    def restore(self, source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Morph:
        if values.get("topology") == "remesh":
            return Balls(source, values["gap"], values["resolution"])
        return Linear().restore(source, arrays, values)

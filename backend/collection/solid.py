"""``Solid``: a made shape, its mesh, and where its points are on another shape of the same kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from backend.collection.parts import Arc, Column, Part
from backend.geometry.arrays import Flags, Float64, Int64
from backend.geometry.isosurface import extract, grid_over
from protocol.mesh import MeshError

SLOPE = 2.5  # the levels of the parts are no exact distances
BURIED = 0.015  # of the diagonal: a place farther inside of the other shape is not on its surface
FORMS: dict[str, Callable[..., Part]] = {"column": Column, "arc": Arc}


@dataclass(frozen=True)
class Solid:
    """The union of the parts, less those that are hollow; z is upwards."""

    kind: str  # "chair", ...
    parts: tuple[Part, ...]

    def level(self, points: Float64) -> Float64:
        """Below 0 inside [N]."""
        return np.asarray(self._levels(points).max(axis=0))

    def labels(self, points: Float64) -> Int64:
        """The part [N] that each point [N, 3] of the surface belongs to."""
        levels = np.stack([part.level(points) for part in self.parts])  # [P, N]
        hollow = np.array([part.hollow for part in self.parts])
        filled = np.where(hollow[:, None], np.inf, levels)
        taken = np.where(hollow[:, None], -levels, -np.inf)
        return np.where(taken.max(axis=0) > filled.min(axis=0), taken.argmax(axis=0), filled.argmin(axis=0))

    def canonical(self, points: Float64, labels: Int64) -> Float64:
        """Canonical coordinates [N, 3] of each point on its part."""
        found = np.empty((len(points), 3))
        for index, part in enumerate(self.parts):
            found[labels == index] = part.canonical(points[labels == index])
        return found

    def mesh(self, resolution: int = 64) -> tuple[Float64, Int64]:
        """Closed surface, positions [V, 3] and triangles [T, 3]; ``resolution`` cells along the longest side."""
        low, high = self.box()
        return extract(self.level, grid_over(low, high, resolution).with_room(), slope=SLOPE)

    def box(self) -> tuple[Float64, Float64]:
        """Low and high corner [3]."""
        ends = np.stack(np.meshgrid(*[np.linspace(-1.0, 1.0, 21)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        filled = np.concatenate([part.place(ends) for part in self.parts if not part.hollow])
        return filled.min(axis=0), filled.max(axis=0)

    def partners(self, points: Float64, other: Solid) -> tuple[Float64, Flags, Flags]:
        """Where points [N, 3] of this surface are on ``other``.

        Places [N, 3]; which of them are right [N]; and which points [N] belong to a part that ``other`` lacks. Places
        buried in another part are neither.
        """
        labels = self.labels(points)
        canonical = self.canonical(points, labels)
        names = {part.name: index for index, part in enumerate(other.parts)}
        index = np.array([names.get(part.name, -1) for part in self.parts])[labels]
        places = np.zeros_like(points)
        for number, part in enumerate(other.parts):
            places[index == number] = part.place(canonical[index == number])
        low, high = other.box()
        on_surface = np.abs(other.level(places)) < BURIED * float(np.linalg.norm(high - low))
        return places, (index >= 0) & on_surface, index < 0

    def to_json(self) -> str:
        """As text."""
        parts = [{"form": type(part).__name__.lower(), **asdict(part)} for part in self.parts]
        return json.dumps({"kind": self.kind, "parts": parts}, indent=1) + "\n"

    @staticmethod
    def from_json(text: str) -> Solid:
        """From what ``to_json`` gave. Raises ``MeshError`` for anything else."""
        try:
            described = json.loads(text)
            return Solid(described["kind"], tuple(_part(entry) for entry in described["parts"]))
        except (ValueError, KeyError, TypeError) as error:
            raise MeshError(f"not the description of a made shape ({error!r})") from error

    def _levels(self, points: Float64) -> Float64:
        """The union of what is filled, and the outside of everything hollow [1 + H, N]."""
        filled = np.stack([part.level(points) for part in self.parts if not part.hollow]).min(axis=0)
        return np.stack([filled, *[-part.level(points) for part in self.parts if part.hollow]])


def _part(entry: dict[str, Any]) -> Part:
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items() if key != "form"}
    return FORMS[entry["form"]](**fields)

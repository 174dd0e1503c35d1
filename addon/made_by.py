"""``MadeBy``: the job that made the results of a pair, kept with them, so that the backend can be asked for more of it.

It is kept on the pair's collection, so an undo brings the older one back together with the older results.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import bpy
import numpy as np

from .protocol.mesh import Float64
from .protocol.messages import Timeline
from .read_mesh import Reading

MADE_BY = "tweenfield_made_by"  # custom property of a pair's collection


@dataclass(frozen=True)
class Sent:
    """The space in which an object was sent: the world as it was then, by its result's coordinates."""

    original: str  # name
    matrix: tuple[tuple[float, ...], ...]  # 4 rows of 4, from the result's coordinates to that world
    origin: tuple[float, ...]  # of its ``MeshData``
    scale: float

    @staticmethod
    def of(reading: Reading) -> Sent:
        matrix = tuple(map(tuple, reading.matrix.tolist()))
        return Sent(reading.original.name, matrix, tuple(reading.data.origin.tolist()), reading.data.scale)

    @property
    def space(self) -> Float64:
        return np.array(self.matrix, np.float64)


@dataclass(frozen=True)
class MadeBy:
    job: str  # its id at the backend
    frame_start: int  # of the scene
    frame_end: int
    timeline: Timeline
    sent: tuple[Sent, ...]  # the source, then what rides along


def keep_made_by(collection: bpy.types.Collection, made: MadeBy) -> None:
    collection[MADE_BY] = json.dumps(asdict(made))


def made_by(collection: bpy.types.Collection) -> MadeBy | None:
    """What is kept, unless it was made by an older version of this extension, or a much newer one."""
    try:
        facts: dict[str, Any] = json.loads(str(collection.get(MADE_BY)))
        sent = tuple(
            Sent(one["original"], tuple(map(tuple, one["matrix"])), tuple(one["origin"]), one["scale"])
            for one in facts.pop("sent")
        )
        return MadeBy(timeline=Timeline(**facts.pop("timeline")), sent=sent, **facts)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None

"""Where an outline and the shape that is shown differ, as pictures and in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..bar import percent
from ..problem import Problem
from ..protocol.mesh import Float32, Float64
from ..results import PREVIEW
from .operators import chosen_result
from .properties import outlines_of, source_of
from .raster import iou
from .reading import object_mask, read_outline

COARSE = 512  # pixels of the longer side, so that it follows what is drawn
DRAWN, COVERED = (1.0, 0.12, 0.08), (0.1, 0.35, 1.0)  # red: drawn alone; blue: covered alone
BOTH, AROUND = (0.75, 0.75, 0.75), (0.0, 0.0, 0.0)  # of the picture in the corner
STRONG = 0.65  # opacity


@dataclass(frozen=True, eq=False)
class Difference:
    """Of one outline."""

    camera: str  # name
    wanted: Float64  # [H, W], coverage in 0..1 that is drawn
    found: Float64  # [H, W], that the shape has
    textures: dict[bool, Any] = field(default_factory=dict)  # on the graphics card: over the view, in the corner

    @property
    def iou(self) -> float:
        return iou(self.wanted >= 0.5, self.found >= 0.5)

    def picture(self, corner: bool) -> Float32:
        """Red, green, blue and opacity [H, W, 4]: of the difference alone, or of all that is seen, for the corner."""
        drawn, covered = np.maximum(self.wanted - self.found, 0.0), np.maximum(self.found - self.wanted, 0.0)
        both = np.minimum(self.wanted, self.found) if corner else np.zeros_like(drawn)
        around = 1.0 - drawn - covered - both if corner else np.zeros_like(drawn)
        shares = np.stack([drawn, covered, both, around], axis=2)
        total = shares.sum(axis=2, keepdims=True)
        colour = shares @ np.array([DRAWN, COVERED, BOTH, AROUND]) / np.maximum(total, 1e-6)
        return np.asarray(np.concatenate([colour, STRONG * total], axis=2), np.float32)


class Overlay:
    """What is drawn over the viewports, computed anew when something in the scene has changed."""

    def __init__(self) -> None:
        self.differences: list[Difference | None] = []  # of each outline; None where it says nothing
        self.lines: list[str] = []  # about each outline
        self.stale = True
        self._compared: list[tuple[Any, ...]] = []  # what the list of outlines was

    def outdated(self, scene: bpy.types.Scene) -> bool:
        """Whether something in the scene or the list of outlines has changed; Blender tells of the scene alone."""
        return self.stale or self._compared != _listed(scene)

    def refresh(self, context: bpy.types.Context) -> None:
        """Compares all outlines with what is shown."""
        assert context.scene is not None
        self.stale, self._compared = False, _listed(context.scene)
        self.differences, self.lines = [], []
        result = chosen_result(context)
        shown = result.shown(context.scene) if result is not None else None
        if result is None or shown is None:
            return
        preview = next((ob for ob in result.collection.objects if ob.get(PREVIEW) is not None), None)
        for item in outlines_of(context.scene).items:
            try:
                drawn = read_outline(context, item, COARSE, 1)
                found = object_mask(context, preview or shown, drawn.view, 1)
            except Problem as problem:
                self.differences.append(None)
                self.lines.append(problem.message)
                continue
            difference = Difference(drawn.view.name, drawn.mask, found)
            self.differences.append(difference)
            self.lines.append(f"{drawn.name}: {_words(difference)}")

    def forget(self) -> None:
        self.differences, self.lines, self.stale = [], [], True


def _listed(scene: bpy.types.Scene) -> list[tuple[Any, ...]]:
    """The outlines of a scene, to be compared with those of another time."""
    blocks = [(item, source_of(item), item.camera) for item in outlines_of(scene).items]
    return [
        (item.kind, item.invert, *(block.session_uid if block is not None else 0 for block in (source, camera)))
        for item, source, camera in blocks
    ]


def _words(difference: Difference) -> str:
    drawn, covered = difference.wanted >= 0.5, difference.found >= 0.5
    share = f"{percent(difference.iou)} covered alike"
    missing, beyond = _share(drawn & ~covered, drawn), _share(covered & ~drawn, drawn)
    return f"{share}; {missing} of it missing, {beyond} beyond it"


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> str:
    return percent(part.sum() / max(int(whole.sum()), 1))


overlay = Overlay()

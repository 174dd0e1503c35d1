"""``refine``: a morph whose frame at one time has the outlines that were drawn, and whose neighbours follow."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import torch

from backend.geometry.arrays import Flags, Float64, Int64
from backend.guidance.beside import MOVED, moving_layer, shift_to
from backend.guidance.field_fit import FieldFit
from backend.guidance.guided_morph import GuidedMorph
from backend.guidance.layer import Layer, window
from backend.guidance.view import View, check_outside, check_sides, check_views, close_up, covered, iou
from backend.guidance.warp_fit import WarpFit
from backend.methods.field_morph import FieldMorph
from backend.methods.method import Morph
from backend.methods.surface_morph import SurfaceMorph
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingError

GOOD = 0.97  # intersection over union with a mask, below which the artist is told
NEAR = 0.5  # the same, below which mask and camera do not belong to the frame at all


@dataclass(frozen=True)
class RefineSettings:
    """How a frame is matched."""

    steps: int = 30  # at most, for each size of what is changed
    resolution: int = 88  # cells along the longest side of a field's surface, while it is matched
    side: int = 256  # pixels: of the images that are compared, along the longer side
    reach: float = 1.0  # share of the way to the nearest time that stays as it is, over which the change fades


@dataclass(frozen=True, eq=False)
class Refined:
    """The morph with the match, and what the report says of it (plain types)."""

    morph: Morph
    report: dict[str, Any]
    before: MeshData  # the frame at the time, as it was
    after: MeshData  # and as it is


def refine(morph: Morph, time: float, views: Sequence[View], settings: RefineSettings, run: Run) -> Refined:
    """The morph with a frame at ``time`` (in 0..1, but not at an end) that has the outlines of ``views``.

    Both ends and what was matched at other times stay as they are. A second match at the same time is added to the
    first. A morph that does not come to agree better is given back as it was. Raises ``SettingError`` where the views
    or the time cannot be used.
    """
    started, cpu = clock.monotonic(), clock.process_time()
    if not 0.0 < time < 1.0:
        raise SettingError(
            f"the time of the frame is {time:g}; the first and the last frame stay what they are, so choose one between"
        )
    if not 0.0 < settings.reach <= 1.0:
        raise SettingError(f"reach is {settings.reach:g}; it must be above 0 and at most 1")
    base, layers = (morph.base, morph.layers) if isinstance(morph, GuidedMorph) else (morph, ())
    guided = GuidedMorph(base, layers)
    with run.phase("looking"):
        before = _frame(guided, time, run)
        if not before.n_vertices:
            raise SettingError("the frame is empty, so there is nothing to match; choose another frame")
        positions, triangles = before.positions(), before.triangles().astype(np.int64)
        check_views(views, positions.min(axis=0), positions.max(axis=0))
        check_outside(views, positions, triangles)
        seen = _seen(before, views)
        check_sides(views, seen)
        agreed = _agreements(seen, views)
        shift = shift_to(views, seen, positions, triangles)
    start, end = window(time, [layer.time for layer in layers], settings.reach)
    frame = before
    if shift is not None:
        own_faces = isinstance(guided.whole, SurfaceMorph)
        moving = moving_layer(Layer(time, start, end), shift, positions - base.source.origin, own_faces)
        layers = (*layers, moving)
        guided = GuidedMorph(base, layers)
        frame = _frame(guided, time, run)
    with run.phase("matching the outline"):
        match = _Match(guided, frame, [view.relative_to(base.source.origin) for view in views], settings, run)
        layer = match.layer(Layer(time, start, end))
        matched = GuidedMorph(base, [*layers, layer])
    with run.phase("measuring"):
        after = _frame(matched, time, run)
        agrees = _agreements(_seen(after, views), views)
    result: Morph = matched
    if sum(agrees) <= sum(agreed):  # as where the frame matches already, or there was no time
        result, after, agrees = morph, before, agreed
    warnings = _warnings(base, agrees)
    if shift is not None and result is matched:
        warnings.append(MOVED)
    for sentence in warnings:
        run.warn(sentence)
    report = {
        "time": time,
        "start": start,
        "end": end,
        "views": [{"iou_before": was, "iou": now} for was, now in zip(agreed, agrees, strict=True)],
        "steps": match.steps,
        "seconds": clock.monotonic() - started,
        "cpu_seconds": clock.process_time() - cpu,
        "warnings": warnings,
    }
    return Refined(result, report, before, after)


class _Match:
    """One match, with what is told of it meanwhile."""

    def __init__(
        self, morph: GuidedMorph, frame: MeshData, views: Sequence[View], settings: RefineSettings, run: Run
    ) -> None:
        self.steps = 0
        self._morph = morph
        self._frame = frame  # of the morph, as it is at the time of the layer
        self._views = views  # relative to the origin of the source
        self._settings = settings
        self._run = run
        self._device = run.device if run.device.type == "cuda" else torch.device("cpu")  # others lack float64

    def layer(self, empty: Layer) -> Layer:
        """The layer with what it changes."""
        whole = self._morph.whole
        return self._moved(empty) if isinstance(whole, SurfaceMorph) else self._field(empty, whole)

    def _field(self, empty: Layer, morph: FieldMorph) -> Layer:
        """Of a morph whose frames have faces of their own."""
        settings, origin = self._settings, self._morph.source.origin

        def watch(places: Float64, faces: Int64, loss: float) -> bool:
            return self._watch(loss, lambda: MeshData.from_triangles(places + origin, faces))

        fit = FieldFit(morph, self._views, settings.side, settings.steps, self._device, watch, self._check)
        return fit.fitted(empty, settings.resolution)

    def _moved(self, empty: Layer) -> Layer:
        """Of a morph that keeps the source's own faces."""
        frame = self._frame
        origin = self._morph.source.origin

        def watch(places: Float64, loss: float) -> bool:
            return self._watch(loss, lambda: frame.with_positions(places + origin))

        positions, triangles = frame.positions() - origin, frame.triangles().astype(np.int64)
        device, settings = self._device, self._settings
        close_ups = [close_up(view, positions, settings.side).to(device) for view in self._views]
        fit = WarpFit(positions, triangles, close_ups, settings.steps, device, watch)
        return replace(empty, forth=fit.fitted().moves)

    def _check(self) -> None:
        """Tells that there is no new step yet; a job that is cancelled meanwhile ends."""
        self._run.progress(self.steps, 0)

    def _watch(self, loss: float, mesh: Callable[[], MeshData]) -> bool:
        self.steps += 1
        self._run.progress(self.steps, 0, loss)
        self._run.preview(mesh)
        return self._run.seconds_left() > 0.0


def _frame(morph: GuidedMorph, time: float, run: Run) -> MeshData:
    """The frame at ``time``; a job that is cancelled meanwhile ends."""
    whole, looked = morph.whole, count()
    if isinstance(whole, FieldMorph):
        whole = whole.checked(lambda: run.progress(next(looked), 0))
    return whole.frame(time)


def _seen(frame: MeshData, views: Sequence[View]) -> list[Flags]:
    """What a frame covers [H, W] in each view, at the mask's own size."""
    positions, triangles = frame.positions(), frame.triangles().astype(np.int64)
    return [covered(positions, triangles, view.camera) for view in views]


def _agreements(seen: Sequence[Flags], views: Sequence[View]) -> list[float]:
    """Intersection over union with every mask."""
    return [iou(view.inside, shape) for view, shape in zip(views, seen, strict=True)]


def _warnings(base: Morph, agrees: Sequence[float]) -> list[str]:
    """What the artist should know where a mask was not matched."""
    worst = min(agrees)
    if worst >= GOOD:
        return []
    why = "check that the camera is that of the mask"
    if len(agrees) > 1:
        why = "outlines that no one shape can have at once are matched as far as possible"
    if isinstance(base, SurfaceMorph) and worst >= NEAR:
        why = (
            "a morph with the source's own faces cannot open or close holes, nor part: morph with the topology "
            "'remesh' (--topology remesh) if the outline asks for that"
        )
    return [f"the frame and an outline agree by {worst:.0%} only; {why}"]

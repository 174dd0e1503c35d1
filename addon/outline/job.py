"""One frame of a morph matched with outlines: its preview, and the new frames of the result that is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import bpy

from ..bar import percent
from ..handle import Handle
from ..job import BakedJob, with_names
from ..made_by import MadeBy, keep_made_by, made_by
from ..making.frames import Frames
from ..making.making import Span, Template, changed
from ..preview import LivePreview
from ..problem import Problem
from ..protocol.messages import Finished, Matched, Timeline
from ..results import drop_making, find_collection

BUTTON = "Match This Outline"


@dataclass(frozen=True, eq=False)
class OutlinePlan:
    """What was asked for when the button was pressed."""

    scene: Handle
    source: str  # names of the pair
    target: str
    made: MadeBy  # the job that is refined
    templates: tuple[Template, ...]  # of the source, then of what rides along
    way: str  # how the result keeps its frames
    warnings: tuple[str, ...] = ()


@dataclass
class OutlineJob(BakedJob):
    """The morph once more, with one of its frames and that frame's neighbours drawn towards the outlines."""

    id: str
    plan: OutlinePlan
    what: str = "outline"
    button: str = BUTTON
    made: Frames = field(init=False)
    preview: LivePreview = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        span = Span(plan.made.frame_start, plan.made.frame_end)
        self.made = Frames(plan.templates, span, plan.way, f"{plan.source} to {plan.target}", self.id)
        self.preview = LivePreview(plan.templates[0], plan.scene, plan.target, self.id)

    @property
    def timeline(self) -> Timeline:
        return self.plan.made.timeline

    def with_names(self, message: str) -> str:
        if f"job {self.plan.made.job}" in message:
            return (
                "The backend does not have this morph any more: it was started anew since, or has dropped old jobs. "
                f"Press Morph for {self.plan.source!r} and {self.plan.target!r} again, and then {BUTTON}."
            )
        return with_names(message, self.plan.source, self.plan.target)

    def install(self, last: Finished | Matched) -> list[str]:
        self.preview.drop()
        plan = self.plan
        collection = find_collection(plan.source, plan.target)
        if collection is None:  # it goes with the last of its objects
            raise changed(plan.source)
        there = made_by(collection)
        if there is None or there.job != plan.made.job:
            raise Problem(
                f"The morph of {plan.source!r} and {plan.target!r} is not the one any more whose outline was matched. "
                "Press the button again."
            )
        blocks: list[bpy.types.ID] = [making.update(collection) for making in self.made.makings]
        self.made.makings = []
        drop_making(self.id)
        keep_made_by(collection, MadeBy(self.id, plan.made.frame_start, plan.made.frame_end, self.timeline, there.sent))
        told = last.report["refined"][-1] if isinstance(last, Finished) else {}
        return [f"{blocks[0].name}: {_matched(told)}", *plan.warnings, *map(str, told.get("warnings", ()))]


def _matched(told: Mapping[str, Any]) -> str:
    """How well the outlines are matched now, in words."""
    views = told.get("views", ())
    words = [f"{percent(view['iou_before'])} covered alike before, {percent(view['iou'])} now" for view in views]
    if len(words) > 1:
        words = [f"outline {number} {word}" for number, word in enumerate(words, 1)]
    return "; ".join(words) or "Matched"

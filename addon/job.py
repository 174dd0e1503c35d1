"""What was asked for, and one morph in Blender: its preview, its frames as they come, and its result.

Nothing is linked into the scene before the last frame is there, but the preview. What is done is done in small
steps: the functions are generators, and whoever runs them may stop after every ``yield``, because data-blocks are
looked up anew after it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .bar import about, sentence
from .handle import Handle
from .made_by import MadeBy, Sent, keep_made_by
from .making.frames import Frames
from .making.making import Span, Template
from .preview import LivePreview
from .protocol.client import Client
from .protocol.client import Request as Submitted
from .protocol.messages import Finished, Frame, Matched, Preview, RefineRequest, Timeline, Welcome
from .read_mesh import Reading
from .results import pair_collection, scene_of

MORPH, SURFACE, OUTLINE, IMAGE = "morph", "surface", "outline", "image"  # panels that tell of a job

Request = Submitted | RefineRequest


@dataclass(frozen=True, eq=False)
class Plan:
    """What was asked for when the button was pressed."""

    scene: Handle
    target: str  # name
    readings: tuple[Reading, ...]  # the source, then what rides along
    frame_start: int
    frame_end: int
    timeline: Timeline
    frames_as: str = "auto"  # one of making.choice.WAYS
    warnings: tuple[str, ...] = ()  # about what was asked for, told with the result

    @property
    def source(self) -> Reading:
        return self.readings[0]

    @property
    def pair(self) -> str:
        """Name of the result."""
        return f"{self.source.original.name} to {self.target}"

    def with_names(self, message: str) -> str:
        return with_names(message, self.source.original.name, self.target)


def with_names(message: str, source: str, target: str) -> str:
    """A backend's message, which knows a source and a target only, with the names of the objects."""
    for role, name in (("source", source), ("target", target)):
        if message.startswith(f"{role}:"):
            return f"{name!r} (the {role}):" + message.removeprefix(f"{role}:")
    return sentence(message)


class Job(ABC):
    """The Blender side of one job: what becomes of its results in the file."""

    what: str  # what it computes, in the artist's words
    button: str  # what was pressed for it
    id: str  # of the job at the backend

    @property
    @abstractmethod
    def frames(self) -> int:
        """How many were taken in."""

    @abstractmethod
    def with_names(self, message: str) -> str:
        """A backend's message with the names of the objects."""

    @abstractmethod
    def tick(self) -> None:
        """What moves by itself while the job runs."""

    @abstractmethod
    def install(self, last: Finished | Matched) -> list[str]:
        """Puts the result into the scene in one go, so that no undo can come between. What to tell about it."""

    @abstractmethod
    def discard(self) -> None:
        """Removes everything that is not a result: as if the button had never been pressed."""


class FrameJob(Job):
    """A job that shows previews, and whose result is made of frames."""

    @property
    @abstractmethod
    def noun(self) -> str:
        """What the frames become, in the plural."""

    @abstractmethod
    def show_preview(self, message: Preview) -> Iterator[None]:
        """Shows what there is so far."""

    @abstractmethod
    def insert(self, frame: Frame) -> Iterator[None]:
        """Gives what is half made one more frame."""


class BakedJob(FrameJob):
    """A job whose frames the backend can send once more: those of a morph."""

    made: Frames
    preview: LivePreview

    @property
    @abstractmethod
    def timeline(self) -> Timeline:
        """Of the frames."""

    @property
    def frames(self) -> int:
        return self.made.count

    @property
    def noun(self) -> str:
        return self.made.noun

    def tick(self) -> None:
        self.preview.swing()

    def show_preview(self, message: Preview) -> Iterator[None]:
        yield from self.preview.show(message)

    def insert(self, frame: Frame) -> Iterator[None]:
        yield from self.made.insert(frame)

    def restart(self, job: str) -> None:
        """Begins again, for the frames of another job: the same morph, baked once more."""
        self.made.restart(job)
        self.id = job

    def complete(self) -> bool:
        return self.made.complete()

    def discard(self) -> None:
        self.preview.drop()
        self.made.drop()
        for template in self.made.templates:
            template.drop()


@dataclass(frozen=True)
class Order:
    """A job before it is sent: the request, which needs the backend's methods, and what the job becomes in Blender."""

    request: Callable[[Welcome], Request]
    begin: Callable[[str], Job]  # of the job's id
    panel: str = MORPH  # where the sidebar tells of it
    base: str = ""  # id of the job whose morph a ``RefineRequest`` is about

    def send(self, client: Client, welcome: Welcome) -> str:
        """Starts the job at the backend; its id. Raises ``Problem``, or ``WireError`` for what cannot travel."""
        request = self.request(welcome)
        return client.refine(self.base, request) if isinstance(request, RefineRequest) else client.submit(request)


@dataclass
class MorphJob(BakedJob):
    """A morph: its frames become a result of their own."""

    id: str
    plan: Plan
    what: str = "morph"
    button: str = "Morph"
    made: Frames = field(init=False)
    preview: LivePreview = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        templates = [Template(reading) for reading in plan.readings]
        span = Span(plan.frame_start, plan.frame_end)
        self.made = Frames(templates, span, plan.frames_as, plan.pair, self.id)
        self.preview = LivePreview(templates[0], plan.scene, plan.target, self.id)

    @property
    def timeline(self) -> Timeline:
        return self.plan.timeline

    def with_names(self, message: str) -> str:
        return self.plan.with_names(message)

    def install(self, last: Finished | Matched) -> list[str]:
        self.preview.drop()
        plan = self.plan
        collection = pair_collection(scene_of(plan.scene), plan.source.original.name, plan.target)
        told = []
        for index, making in enumerate(self.made.makings):
            carried = f"{making.template.reading.original.name} carried"
            block = making.install(collection, plan.pair if index == 0 else carried)
            if index == 0:
                told = [f"{block.name}: {self.frames} {making.noun}", *making.told()]
        self.made.makings = []
        sent = tuple(map(Sent.of, plan.readings))
        keep_made_by(collection, MadeBy(self.id, plan.frame_start, plan.frame_end, plan.timeline, sent))
        why = [self.made.why] if self.made.why else []
        report = about(last.report) if isinstance(last, Finished) else []
        return [*told, *why, *plan.warnings, *report]

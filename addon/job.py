"""What was asked for, and one morph in Blender: its preview, its frames as they come, and its result.

Nothing is linked into the scene before the last frame is there, but the preview. What is done is done in small
steps: the functions are generators, and whoever runs them may stop after every ``yield``, because data-blocks are
looked up anew after it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from .bar import about, sentence
from .handle import Handle
from .making.choice import make
from .making.making import Making, Shape, Span, Template
from .making.shape_keys import ShapeKeys
from .preview import LivePreview
from .protocol.messages import (
    Finished,
    Frame,
    Matched,
    MatchRequest,
    MorphRequest,
    Preview,
    SurfaceRequest,
    Timeline,
    Welcome,
)
from .read_mesh import Reading
from .results import drop_making, pair_collection, scene_of
from .write_mesh import local_positions

MORPH, SURFACE = "morph", "surface"  # panels that tell of a job


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

    what: ClassVar[str]  # what it computes, in the artist's words
    button: ClassVar[str]  # what was pressed for it
    id: str  # of the job at the backend
    frames: int = 0  # that were taken in

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


@dataclass(frozen=True)
class Order:
    """A job before it is sent: the request, which needs the backend's methods, and what the job becomes in Blender."""

    request: Callable[[Welcome], MorphRequest | MatchRequest | SurfaceRequest]
    begin: Callable[[str], Job]  # of the job's id
    panel: str = MORPH  # where the sidebar tells of it


@dataclass
class MorphJob(FrameJob):
    """A morph: its frames become a result of their own."""

    what: ClassVar[str] = "morph"
    button: ClassVar[str] = "Morph"
    id: str
    plan: Plan
    frames: int = 0  # that were taken in
    lost: bool = False  # an undo took something half made away: the frames are needed once more
    preview: LivePreview = field(init=False)
    _templates: list[Template] = field(default_factory=list)
    _makings: list[Making] = field(default_factory=list)  # from the first frame on
    _why: str = ""  # the frames become what they become

    def __post_init__(self) -> None:
        self._templates = [Template(reading) for reading in self.plan.readings]
        self.preview = LivePreview(self._templates[0], self.plan.scene, self.plan.target, self.id)

    @property
    def noun(self) -> str:
        return self._makings[0].noun if self._makings else "frames"

    def with_names(self, message: str) -> str:
        return self.plan.with_names(message)

    def tick(self) -> None:
        self.preview.swing()

    def show_preview(self, message: Preview) -> Iterator[None]:
        yield from self.preview.show(message)

    def insert(self, frame: Frame) -> Iterator[None]:
        if self.lost:
            return
        shapes = self._shapes(frame)
        if frame.seq == 0:
            self._begin(shapes)
        for making, shape in zip(self._makings, shapes, strict=True):
            yield from making.take(shape)
            if making.lost:
                self.lost = True
                return
        self.frames += 1

    def _shapes(self, frame: Frame) -> list[Shape]:
        """What the frame says of each object."""
        source, carried = self.plan.readings[0], self.plan.readings[1:]
        own_faces = frame if frame.face_indices is not None else None
        places = [(source, frame.vertices, frame.origin, frame.scale, own_faces)]
        for reading, vertices in zip(carried, frame.carried, strict=True):
            places.append((reading, vertices, reading.data.origin, reading.data.scale, None))
        shapes = []
        for reading, vertices, origin, scale, faces in places:
            itself = frame.time == 0.0 and reading.exact and faces is None
            positions = reading.local if itself else local_positions(reading.matrix, vertices, origin, scale)
            shapes.append(Shape(frame.seq, frame.total, positions, faces))
        return shapes

    def _begin(self, shapes: list[Shape]) -> None:
        """Chooses what the frames become; what rides along keeps its faces, and gets shape keys."""
        span = Span(self.plan.frame_start, self.plan.frame_end)
        way = self.plan.frames_as
        first, self._why = make(way, shapes[0], self._templates[0], self.id, span, self.plan.pair)
        self._makings = [first, *(ShapeKeys(template, self.id, span) for template in self._templates[1:])]

    def restart(self, job: str) -> None:
        """Begins again, for the frames of another job: the same morph, baked once more."""
        self._drop_makings()
        self.id = job
        self.frames = 0
        self.lost = False

    def complete(self) -> bool:
        """Whether all that was made of the frames is still there."""
        return not self.lost and self.frames > 1 and all(making.complete(self.frames) for making in self._makings)

    def install(self, last: Finished | Matched) -> list[str]:
        self.preview.drop()
        collection = pair_collection(scene_of(self.plan.scene), self.plan.source.original.name, self.plan.target)
        told = []
        for index, making in enumerate(self._makings):
            carried = f"{making.template.reading.original.name} carried"
            block = making.install(collection, self.plan.pair if index == 0 else carried)
            if index == 0:
                told = [f"{block.name}: {self.frames} {making.noun}", *making.told()]
        self._makings = []
        why = [self._why] if self._why else []
        report = about(last.report) if isinstance(last, Finished) else []
        return [*told, *why, *self.plan.warnings, *report]

    def discard(self) -> None:
        self.preview.drop()
        self._drop_makings()
        for template in self._templates:
            template.drop()

    def _drop_makings(self) -> None:
        for making in self._makings:
            making.drop()
        self._makings = []
        drop_making(self.id)

"""``Frames``: all objects of a morph, the source and what rides along, as their frames come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..protocol.messages import Frame
from ..results import drop_making
from ..write_mesh import local_positions
from .choice import make
from .making import Making, Shape, Span, Template
from .shape_keys import ShapeKeys


@dataclass
class Frames:
    """What becomes of the first object's frames is chosen when the first of them is here."""

    templates: Sequence[Template]  # of the source, then of what rides along
    span: Span
    way: str  # one of choice.WAYS
    pair: str  # name of the result
    job: str  # id
    count: int = 0  # that were taken in
    lost: bool = False  # an undo took something half made away: the frames are needed once more
    why: str = ""  # they become what they become
    makings: list[Making] = field(default_factory=list)  # from the first frame on

    @property
    def noun(self) -> str:
        return self.makings[0].noun if self.makings else "frames"

    def insert(self, frame: Frame) -> Iterator[None]:
        if self.lost:
            return
        shapes = self._shapes(frame)
        if frame.seq == 0:
            self._begin(shapes)
        for making, shape in zip(self.makings, shapes, strict=True):
            yield from making.take(shape)
            if making.lost:
                self.lost = True
                return
        self.count += 1

    def restart(self, job: str) -> None:
        """Begins again, for the frames of another job: the same morph, baked once more."""
        self.drop()
        self.job = job
        self.count = 0
        self.lost = False

    def complete(self) -> bool:
        """Whether all that was made of the frames is still there."""
        return not self.lost and self.count > 1 and all(making.complete(self.count) for making in self.makings)

    def drop(self) -> None:
        for making in self.makings:
            making.drop()
        self.makings = []
        drop_making(self.job)

    def _shapes(self, frame: Frame) -> list[Shape]:
        """What the frame says of each object."""
        readings = [template.reading for template in self.templates]
        own_faces = frame if frame.face_indices is not None else None
        places = [(readings[0], frame.vertices, frame.origin, frame.scale, own_faces)]
        for reading, vertices in zip(readings[1:], frame.carried, strict=True):
            places.append((reading, vertices, reading.data.origin, reading.data.scale, None))
        shapes = []
        for reading, vertices, origin, scale, faces in places:
            itself = frame.time == 0.0 and reading.exact and faces is None
            positions = reading.local if itself else local_positions(reading.matrix, vertices, origin, scale)
            shapes.append(Shape(frame.seq, frame.total, positions, faces))
        return shapes

    def _begin(self, shapes: list[Shape]) -> None:
        """What rides along keeps its faces, and gets shape keys."""
        first, self.why = make(self.way, shapes[0], self.templates[0], self.job, self.span, self.pair)
        self.makings = [first, *(ShapeKeys(template, self.job, self.span) for template in self.templates[1:])]

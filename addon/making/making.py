"""``Making``: the interface of everything that frames can become, and what all of them are given."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import bpy
from mathutils import Matrix

from ..build_mesh import Dress, Surface
from ..handle import Handle, handle
from ..problem import Problem
from ..protocol.mesh import Float32
from ..protocol.messages import Frame
from ..read_mesh import Reading, copy_again
from ..write_mesh import remove_mesh


@dataclass(frozen=True, eq=False)
class Shape:
    """What one frame says of one object."""

    seq: int
    total: int
    positions: Float32  # [V, 3], object space of the result
    frame: Frame | None = None  # with the faces, where they are not the source's


@dataclass(frozen=True)
class Span:
    """The frames of the scene in which a morph happens."""

    first: int
    last: int

    def shown(self, frame: float, count: int) -> int:
        """Which of ``count`` shapes, evenly spaced from the first frame to the last, is shown at ``frame``."""
        share = min(max((frame - self.first) / (self.last - self.first), 0.0), 1.0)
        return math.floor(share * (count - 1) + 0.5)


class Template:
    """The copy of an object that was made when the button was pressed. It may be used up, or thrown away.

    ``copy`` makes it once more. ``place`` is where the result is in the world, if that has moved since it was made.
    """

    def __init__(
        self, reading: Reading, copy: Callable[[], bpy.types.Mesh] | None = None, place: Matrix | None = None
    ) -> None:
        self.reading = reading
        self._mesh: Handle = reading.template
        self._copy = copy or (lambda: copy_again(bpy.context, reading))
        self._place = place or Matrix(reading.matrix.tolist())

    def mesh(self) -> bpy.types.Mesh:
        """The copy; made once more where an undo took it away."""
        mesh = self._mesh.find_mesh()
        if mesh is None:
            mesh = self._copy()
            self._mesh = handle(mesh)
        return mesh

    def drop(self) -> None:
        """Removes the copy, unless something uses it."""
        mesh = self._mesh.find_mesh()
        if mesh is not None and mesh.users == 0:
            remove_mesh(mesh)

    def dress(self) -> Dress:
        return Dress.of(self.mesh())

    def give_materials(self, mesh: bpy.types.Mesh) -> None:
        """Fills the mesh's material slots like the source's."""
        slots: Any = mesh.materials
        for material in self.mesh().materials:
            slots.append(material)

    def surface(self, shape: Shape) -> Surface:
        """The surface of a shape, with the source's faces where it has none of its own."""
        frame, source = shape.frame, self.reading.data
        if frame is not None and frame.face_offsets is not None and frame.face_indices is not None:
            return Surface(shape.positions, frame.face_offsets, frame.face_indices, frame.attributes)
        return Surface(shape.positions, source.face_offsets, source.face_indices, source.attributes)

    def matrix(self) -> Matrix:
        """Where the result is in the world."""
        return self._place.copy()


class Making(ABC):
    """One object of the morph, as its frames come. Nothing of it is in the scene before ``install``."""

    noun: ClassVar[str]  # what the frames become, in the plural

    def __init__(self, template: Template, job: str, span: Span) -> None:
        self.template = template
        self.job = job  # its id marks everything that is half made
        self.span = span
        self.lost = False  # an undo took something away

    @abstractmethod
    def take(self, shape: Shape) -> Iterator[None]:
        """Takes the next frame in, or finds out that something is lost."""

    @abstractmethod
    def complete(self, count: int) -> bool:
        """Whether all ``count`` frames that were taken in are still there."""

    @abstractmethod
    def install(self, collection: bpy.types.Collection, name: str) -> bpy.types.ID:
        """Puts the result in the place of an older one. What stands for it in the outliner."""

    @abstractmethod
    def update(self, collection: bpy.types.Collection) -> bpy.types.ID:
        """Gives an older result of as many frames these ones; all else of it stays as it is. Raises ``Problem``."""

    @abstractmethod
    def drop(self) -> None:
        """Removes what is half made and does not bear the job's mark, and the template if it was used up."""

    def told(self) -> list[str]:
        """What the artist should know about the result."""
        return []


def changed(original: str) -> Problem:
    """The older result cannot take the frames that were made for it."""
    return Problem(
        f"The result of {original!r} was removed or changed while the outline was matched, so it is left as it is. "
        "Press the button again, or Morph."
    )


def steps_of(count: int, span: Span) -> list[str]:
    """A word about shapes that cannot be interpolated, where they are fewer or more than the frames of the scene."""
    frames = span.last - span.first + 1
    if count == frames:
        return []
    what = f"is shown for about {frames / count:.1f} frames" if count < frames else "are too many: some are never shown"
    return [
        f"{count} shapes for {frames} frames of the scene: each {what}. Set Keys to {frames} for one in each frame."
    ]


def set_keys(block: Any, path: str, values: list[tuple[float, Any]]) -> None:
    """Keyframes of a property: frame of the scene and value."""
    for frame, value in values:
        setattr(block, path, value)
        block.keyframe_insert(path, frame=frame)

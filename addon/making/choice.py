"""Which way the frames of a morph go into Blender."""

from __future__ import annotations

import bpy

from ..build_mesh import memory_of
from ..problem import Problem
from .frames_on_disk import AlembicFrames, PointFrames
from .keyed_objects import KeyedObjects
from .making import Making, Shape, Span, Template
from .shape_keys import ShapeKeys

WAYS = ("auto", "shape_keys", "keyed_objects", "one_object")
MOST_FRAMES, MOST_BYTES = 100, 200_000_000  # that "auto" keeps in the .blend file, where the faces change

ALEMBIC = bpy.app.build_options.alembic  # some distributions build Blender without it


def make(way: str, first: Shape, template: Template, job: str, span: Span, pair: str) -> tuple[Making, str]:
    """What takes the frames in, chosen when the first of them is here, and why where it chose. Raises ``Problem``."""
    new_faces = first.frame is not None
    why = ""
    if way == "shape_keys" and new_faces:
        raise Problem(
            "The faces of this morph change from frame to frame, which shape keys cannot show. Set Frames As to "
            "Automatic, or Topology to Keep."
        )
    if way == "one_object" and new_faces and not ALEMBIC:
        raise Problem("This Blender was built without Alembic, which the frames would be read by. Set Frames As to "
                      "Keyed Objects, or use the Blender of blender.org.")  # fmt: skip
    if way == "auto":
        way, why = _automatic(first, template) if new_faces else ("shape_keys", "")
    if way == "shape_keys":
        return ShapeKeys(template, job, span), why
    if way == "keyed_objects":
        return KeyedObjects(template, job, span), why
    return (AlembicFrames if new_faces else PointFrames)(template, job, span, pair), why


def _automatic(first: Shape, template: Template) -> tuple[str, str]:
    size = first.total * memory_of(template.surface(first))
    fits = first.total <= MOST_FRAMES and size <= MOST_BYTES
    count = f"{first.total} meshes, about {max(size / 1e6, 1):.0f} MB"
    limits = f"{MOST_FRAMES} meshes or {MOST_BYTES / 1e6:.0f} MB"
    if not fits and not ALEMBIC:
        return "keyed_objects", f"{count}: one object each, since this Blender was built without Alembic."
    if fits:
        return "keyed_objects", f"{count}: one object each. Beyond {limits}, one object would read them from disk."
    return "one_object", f"{count}: one object reads them from disk. Up to {limits}, each would be an object."

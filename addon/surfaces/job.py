"""One surface in Blender: its preview, its frames as they come, and its results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import bpy

from ..bar import about, sentence
from ..build_mesh import build
from ..generated import offered
from ..handle import Handle
from ..job import FrameJob
from ..problem import Problem
from ..protocol.mesh import Float64
from ..protocol.messages import Finished, Frame, Matched, Preview
from ..results import MAKING, drop_making, scene_of
from ..write_mesh import local_positions
from .preview import PLAIN, SurfacePreview, matrix_of, surface_of
from .results import curve_of, place, points_of, remove_others, surface_home

SURFACE, SKELETON = "surface", "skeleton"  # roles of results
OPTIONS = {"--mode unsigned": "Inside: Thin Skin", "--mode signed": "Inside: Closed"}  # as the panel calls them


@dataclass(frozen=True, eq=False)
class SurfacePlan:
    """What was asked for when the button was pressed."""

    scene: Handle
    original: Handle  # the active one of the objects
    matrix: Float64  # [4, 4], world matrix that the results get
    levels: tuple[float, ...]  # the first is the surface itself
    skeleton: str = "none"  # or curve, or points

    @property
    def name(self) -> str:
        return self.original.name


@dataclass
class SurfaceJob(FrameJob):
    """A surface and what lies around and within it, each an object of its own."""

    id: str
    plan: SurfacePlan
    what: str = "surface"
    button: str = "Surface"
    preview: SurfacePreview = field(init=False)
    _received: list[Frame] = field(default_factory=list)  # an undo may take away what was made of them
    _made: list[Handle | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.preview = SurfacePreview(self.plan.scene, self.plan.name, self.plan.matrix, self.id)

    @property
    def frames(self) -> int:
        return len(self._received)

    @property
    def noun(self) -> str:
        return "surfaces"

    def with_names(self, message: str) -> str:
        for option, words in OPTIONS.items():
            message = message.replace(option, words)
        for spec in offered.surfaces.specs.values():
            message = re.sub(rf"\b{spec.name}\b", spec.label, message)
        return sentence(message)

    def tick(self) -> None:
        """Nothing moves by itself."""

    def show_preview(self, message: Preview) -> Iterator[None]:
        yield from self.preview.show(message)

    def insert(self, frame: Frame) -> Iterator[None]:
        made = (yield from self._build(frame)) if frame.seq < len(self.plan.levels) else None
        self._received.append(frame)
        self._made.append(made)

    def install(self, last: Finished | Matched) -> list[str]:
        self.preview.drop()
        meshes = [self._mesh(index) for index in range(len(self.plan.levels))]
        if not len(meshes[0].polygons):
            raise Problem(
                f"No surface was found for {self.plan.name!r}. Give it more time, another preset, or another Inside."
            )
        home = surface_home(scene_of(self.plan.scene), self.plan.name)
        roles, told = [], []
        for level, mesh in zip(self.plan.levels, meshes, strict=True):
            if len(mesh.polygons):
                roles.append(self._place_mesh(home, level, mesh))
            else:
                told.append(f"Nothing lies {abs(level):.6g} {'inside' if level < 0 else 'outside'}.")
        if self.plan.skeleton != "none":
            told += self._place_skeleton(home, self._received[len(self.plan.levels)])
            roles.append(SKELETON)
        remove_others(home, roles)
        drop_making(self.id)  # what is empty
        first = f"{self.plan.name} Surface: {len(meshes[0].vertices)} vertices"
        report = last.report if isinstance(last, Finished) else {}
        return [first, *_off(report), *told, *about(report)]

    def discard(self) -> None:
        self.preview.drop()
        drop_making(self.id)

    def _build(self, frame: Frame) -> Any:
        """The frame's mesh, in steps; nothing where an undo took it away meanwhile."""
        surface = surface_of(frame, self.plan.matrix)
        return (yield from build(surface, PLAIN, f"{self.plan.name} {frame.seq}", (MAKING, self.id)))

    def _mesh(self, index: int) -> bpy.types.Mesh:
        """The mesh of a level; made once more, at once, where an undo took it away."""
        here = self._made[index]
        mesh = here.find_mesh() if here is not None else None
        if mesh is None:
            steps = self._build(self._received[index])
            while mesh is None:
                try:
                    next(steps)
                except StopIteration as end:
                    mesh = end.value.find_mesh()
        return mesh

    def _place_mesh(self, home: bpy.types.Collection, level: float, mesh: bpy.types.Mesh) -> str:
        """Makes an object of a mesh; its role."""
        role = SURFACE if level == 0.0 else f"shell {level:+.6g}"
        del mesh[MAKING]
        mesh.name = f"{self.plan.name} {role.capitalize()}"
        original = self.plan.original.find_object()
        material = original.active_material if original is not None else None
        if material is not None:
            slots: Any = mesh.materials
            slots.append(material)
        place(home, role, mesh, self.plan.name, matrix_of(self.plan.matrix))
        return role

    def _place_skeleton(self, home: bpy.types.Collection, frame: Frame) -> list[str]:
        """Makes an object of the skeleton; what to tell of it."""
        points = local_positions(self.plan.matrix, frame.vertices, frame.origin, frame.scale)
        if not len(points):
            return ["The shape is too thin for a skeleton, or has no inside."]
        name = f"{self.plan.name} Skeleton"
        assert frame.face_offsets is not None
        lines = len(frame.face_offsets) > 1 and self.plan.skeleton == "curve"
        data: Any = curve_of(name, points, frame.face_offsets, frame.face_indices) if lines else points_of(name, points)
        place(home, SKELETON, data, self.plan.name, matrix_of(self.plan.matrix))
        told = "The skeleton has no lines, only points." if self.plan.skeleton == "curve" and not lines else ""
        return [told] if told else []


def _off(report: Mapping[str, Any]) -> list[str]:
    """How far the surface is from the shape, in words."""
    found = report.get("metrics", {})
    percent = found.get("chamfer_percent")
    percent = found.get("from_shape_percent") if percent is None else percent  # of points, that is all that is known
    return [] if percent is None else [f"Distance from the selection: {percent:.2g} % of its size on average."]

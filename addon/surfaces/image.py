"""Shape from Image: a mesh of what one picture shows, by a trained model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ..bar import percent, sentence
from ..build_mesh import build
from ..handle import Handle, handle
from ..job import IMAGE, FrameJob, Order
from ..ordering import StartsJob
from ..problem import Problem
from ..properties import settings_of
from ..protocol.mesh import Float64
from ..protocol.messages import Finished, Frame, Matched, Preview, ReconstructRequest, Welcome
from ..read_image import read_pixels
from ..read_model import read_model
from ..registering import of_classes
from ..results import MAKING, drop_making, scene_of
from ..running import current
from .preview import PLAIN, SurfacePreview, matrix_of, surface_of
from .properties import surface_settings
from .results import ROLE, place, results_in, surface_home

SHAPE = "shape"  # role of the result
BUTTON = "Shape from Image"
# From Blender's axes to those of shapes whose y points upwards, as it does for most models.
Y_UP = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
OPAQUE, SOME = 0.999, 0.001  # alpha


@dataclass(frozen=True, eq=False)
class ImagePlan:
    """What was asked for when the button was pressed."""

    scene: Handle
    name: str  # of the image
    model: str  # name of its file; empty: the backend's own
    matrix: Float64  # [4, 4], world matrix that the result gets


@dataclass
class ImageJob(FrameJob):
    """One shape, an object of its own."""

    id: str
    plan: ImagePlan
    what: str = "shape"
    button: str = BUTTON
    preview: SurfacePreview = field(init=False)
    _received: list[Frame] = field(default_factory=list)  # the one that comes

    def __post_init__(self) -> None:
        self.preview = SurfacePreview(self.plan.scene, self.plan.name, self.plan.matrix, self.id, Y_UP)

    @property
    def frames(self) -> int:
        return len(self._received)

    @property
    def noun(self) -> str:
        return "shapes"

    def with_names(self, message: str) -> str:
        for what, name in (("the image", self.plan.name), ("the model", self.plan.model)):
            if name and message.startswith(f"{what}:"):
                message = message.replace(what, f"{what} {name!r}", 1)
        return sentence(message)

    def tick(self) -> None:
        """Nothing moves by itself."""

    def show_preview(self, message: Preview) -> Iterator[None]:
        yield from self.preview.show(message)

    def insert(self, frame: Frame) -> Iterator[None]:
        yield
        self._received.append(frame)

    def install(self, last: Finished | Matched) -> list[str]:
        self.preview.drop()
        report = last.report if isinstance(last, Finished) else {}
        mesh = self._mesh(np.eye(4) if report.get("up") == "z" else Y_UP)
        if not len(mesh.polygons):
            raise Problem(f"The model finds no shape in {self.plan.name!r}. Try another image, or another model.")
        home = surface_home(scene_of(self.plan.scene), self.plan.name)
        older = next((ob.matrix_world.copy() for ob in results_in(home) if ob[ROLE] == SHAPE), None)
        del mesh[MAKING]
        ob = place(home, SHAPE, mesh, self.plan.name, older or matrix_of(self.plan.matrix))
        told = [f"{ob.name}: {len(mesh.vertices)} vertices"]
        if report.get("refined") and "iou" in report:
            before, after = percent(report["iou_before"]), percent(report["iou"])
            told.append(f"Outline: {before} covered alike as the model saw it, {after} now")
        return [*told, *map(str, report.get("warnings", ()))]

    def discard(self) -> None:
        self.preview.drop()
        drop_making(self.id)

    def _mesh(self, space: Float64) -> bpy.types.Mesh:
        """Of the one frame, made at once."""
        steps = build(surface_of(self._received[0], space), PLAIN, f"{self.plan.name} Shape", (MAKING, self.id))
        while True:
            try:
                next(steps)
            except StopIteration as end:
                made: bpy.types.Mesh = end.value.find_mesh()
                return made


def why_not(context: bpy.types.Context) -> str:
    """Why the button cannot be pressed now; empty when it can."""
    assert context.scene is not None
    if current().busy:
        return "A job is being computed"
    return "" if surface_settings(context.scene).image is not None else "Choose an image"


def read_image(image: bpy.types.Image) -> NDArray[np.uint8]:
    """Colours as they are seen, and alpha [H, W, 4]; the first row is the top. Raises ``Problem``."""
    name, values = image.name, read_pixels(image)
    if image.channels != 4 or values[..., 3].min() > OPAQUE:
        raise Problem(
            f"The image {name!r} is opaque everywhere, so the shape cannot be told from what is around it. Make its "
            "background transparent and save it with an alpha channel."
        )
    if values[..., 3].max() < SOME:
        raise Problem(f"The image {name!r} is transparent everywhere. The shape must be opaque in it.")
    values = np.clip(values, 0.0, 1.0)
    if image.is_float:  # linear
        curved = 1.055 * np.maximum(values, 0.0031308) ** (1.0 / 2.4) - 0.055
        values[..., :3] = np.where(values < 0.0031308, 12.92 * values, curved)[..., :3]
    return np.ascontiguousarray(np.round(255.0 * values), np.uint8)


def make_order(context: bpy.types.Context) -> Order:
    """Reads image and model. Raises ``Problem``."""
    assert context.scene is not None
    settings = surface_settings(context.scene)
    reason = why_not(context)
    if reason:
        raise Problem(f"{reason}.")
    chosen = settings.image_model.strip()
    request = ReconstructRequest(
        image=read_image(settings.image),
        model=read_model(chosen) if chosen else None,
        resolution=settings.resolution,
        refine=settings.image_refine,
        seconds=settings.seconds if settings.limit_time else None,
        seed=settings.seed,
        device=settings_of(context.scene).device_name,
        preview=settings.live_preview,
    )
    cursor = np.array(Matrix.Translation(context.scene.cursor.location), np.float64)
    plan = ImagePlan(handle(context.scene), settings.image.name, Path(chosen).name, cursor)

    def ask(welcome: Welcome) -> ReconstructRequest:
        return request

    return Order(ask, lambda job: ImageJob(job, plan), IMAGE)


class TWEENFIELD_OT_shape_from_image(StartsJob):
    """Make a mesh of what the image shows, at the 3D cursor, by a model that has learned such shapes"""

    bl_idname = "tweenfield.shape_from_image"
    bl_label = BUTTON
    reason = staticmethod(why_not)
    order = staticmethod(make_order)


register, unregister = of_classes((TWEENFIELD_OT_shape_from_image,))

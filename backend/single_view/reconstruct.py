"""The shape in an image: its code by the encoder, and then by its silhouette."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.geometry.arrays import Float64, Int64
from backend.rendering.camera import Camera
from backend.rendering.silhouette import silhouette
from backend.single_view.framing import Pixels, check_image, frame_of
from backend.single_view.making import turned_back, turned_up
from backend.single_view.model import SingleViewModel
from backend.single_view.network import as_batch
from backend.single_view.surface import Surface, refined, surface_at
from backend.single_view.view_search import find_view
from backend.single_view.views import View
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.settings import SettingError

RESOLUTION = 128  # cells along the longest side of the model's box
AXES = np.eye(3)
ALIKE = 0.5  # intersection over union of the silhouettes, below which the artist is told


@dataclass(frozen=True, eq=False)
class Reconstructed:
    """A shape in the frame of the model, the box around the shapes it was trained on, ``up`` upwards."""

    positions: Float64  # [V, 3]
    triangles: Int64  # [T, 3]
    raw: tuple[Float64, Int64]  # the same before the refinement
    code: Float64  # [latent], of the encoder
    camera: Camera  # by which the image sees it
    report: dict[str, Any]  # of plain types


def reconstruct(
    model: SingleViewModel,
    image: Pixels,  # [H, W, 4]
    run: Run,
    *,
    resolution: int = RESOLUTION,
    refine: bool = True,
    camera: Camera | None = None,  # one view of such images, in the frame that the result has; None: it is found
) -> Reconstructed:
    """Raises ``SettingError`` where the image, or the camera, shows no shape that the model knows."""
    check_image(image)
    if camera is not None:
        _check_camera(camera, image)

    def show(surface: Surface) -> None:
        run.preview(lambda: MeshData.from_triangles(turned_back(surface[0], model.up), surface[1]))

    code, told, raw = _encoded(model, image, run)
    show(raw)
    frame = frame_of(image, model.settings.refine_image)
    alpha = torch.from_numpy(frame.cut(image)[..., 3]).to(code) / 255.0
    report: dict[str, Any] = {"resolution": resolution, "up": model.up, "refined": refine}
    if camera is None:
        with run.phase("finding the camera"):
            found = find_view(raw, alpha, told, run)
        inward = found.camera
        degrees = {"azimuth_degrees": found.view.azimuth, "elevation_degrees": found.view.elevation}
        report |= {"camera": "found", **degrees}
    else:
        inward = frame.camera(turned(camera.resized(image.shape[1], image.shape[0]), turned_back(AXES, model.up)))
        inward.require_in_view(raw[0])
        report["camera"] = "given"
    end = code
    if refine:
        with run.phase("matching the silhouette"):
            result = refined(model, code, alpha, inward, run, show)
        end = result.code
        report |= {"loss_before": result.first, "loss": result.loss, "steps": result.steps}
    with run.phase("extracting as told"):
        first = surface_at(model, code, resolution, run)
    with run.phase("extracting"):
        last = surface_at(model, end, resolution, run) if refine else first
    if not len(first[1]) or not len(last[1]):
        raise SettingError(
            f"with {resolution} cells along the longest side nothing is left of so thin a shape; raise the resolution"
        )
    report |= {"iou_before": iou(first, alpha, inward), "iou": iou(last, alpha, inward)}
    if report["iou"] < ALIKE:
        whose = "that the camera is that of the image, and " if camera is not None else ""
        run.warn(
            f"shape and image agree by {report['iou']:.0%} only; check {whose}that the image shows a shape of the kind "
            "that the model was trained on"
        )
    report["warnings"] = list(run.warnings)
    outward = turned(frame.whole(inward, image), turned_up(AXES, model.up))
    raw = turned_back(first[0], model.up), first[1]
    return Reconstructed(turned_back(last[0], model.up), last[1], raw, code.cpu().double().numpy(), outward, report)


@torch.no_grad()
def iou(surface: Surface, alpha: Tensor, camera: Camera) -> float:
    """Intersection over union of a surface's silhouette and an image's alpha [S, S]."""
    seen = silhouette(torch.from_numpy(surface[0]).to(alpha), torch.from_numpy(surface[1]).to(alpha.device), camera)[0]
    return float(torch.minimum(seen, alpha).sum() / torch.maximum(seen, alpha).sum().clamp(min=1e-6))


def _encoded(model: SingleViewModel, image: Pixels, run: Run) -> tuple[Tensor, View | None, Surface]:
    """Code [latent] of an image, the view that the encoder tells, and the surface there."""
    settings = model.settings
    with run.phase("encoding"):
        run.progress(0, 0)
        seen = frame_of(image, settings.image, settings.framed).cut(image)
        with torch.no_grad():
            codes, told = model.network.seen(as_batch([seen], model.device))
        surface = surface_at(model, codes[0], settings.refine_cells, run)
    if not len(surface[1]):
        raise SettingError(
            "the model has no surface for this image; it must show a shape of the kind that the model was trained on"
        )
    return codes[0], None if told is None else View.of_told(told[0].cpu().double().numpy()), surface


def _check_camera(camera: Camera, image: Pixels) -> None:
    """Raises ``SettingError`` unless a camera has one view, of images [H, W, 4] of this shape but for their size."""
    if len(camera) != 1:
        raise SettingError(f"the camera has {len(camera)} views; give the one that the image is seen by")
    height, width = image.shape[:2]
    if abs(camera.width * height - camera.height * width) > max(camera.width, camera.height):  # a pixel of rounding
        raise SettingError(
            f"the camera is one of images of {camera.width} x {camera.height} pixels, and the image has {width} x "
            f"{height}; give the camera that the whole image was made by"
        )


def turned(camera: Camera, axes: Float64) -> Camera:
    """A camera in another frame, where the axes of the new one lie at ``axes`` [3, 3] in the old."""
    matrix = np.eye(4)
    matrix[:3, :3] = axes.T
    return Camera(camera.world_to_camera @ matrix, camera.focal, camera.centre, camera.width, camera.height)

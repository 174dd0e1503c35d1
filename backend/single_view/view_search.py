"""The camera of an image that came without one: where a shape must be seen from to have that silhouette.

Azimuths are tried all around and at some elevations, or near what the encoder tells; focal length and centre follow
from the box of the silhouette. The best is moved until the silhouettes agree best. An outline tells the elevation less
exactly than the encoder does, so it stays near what that tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.geometry.arrays import Float64
from backend.rendering.camera import Camera, stack
from backend.rendering.silhouette import silhouette
from backend.single_view.framing import INSIDE, box_of
from backend.single_view.surface import Surface
from backend.single_view.views import SHARES, TURNED, View
from backend.training.adam import Adam
from backend.training.run import Run

TRIED = 64  # pixels of a side of the silhouettes that are tried
BATCH = 32  # of them at once
AROUND = 24  # azimuths where nothing is known
TILTS = (5.0, 15.0, 25.0, 35.0)  # elevations there, degrees
NEAR = (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0)  # degrees of azimuth from what the encoder tells
STEPS = 40  # of the last improvement
RATE = 0.02  # radians, or shares of the image
HELD = 1.0  # weight of the squared way of the elevation, in radians, from what the encoder tells


@dataclass(frozen=True, eq=False)
class Found:
    """A camera in the frame of the dataset, and how well the silhouettes agree."""

    camera: Camera
    view: View
    iou: float


def find_view(surface: Surface, alpha: Tensor, told: View | None, run: Run) -> Found:
    """The camera by which a surface looks most like an image with ``alpha`` [S, S] in 0..1."""
    side = alpha.shape[0]
    small = torch.nn.functional.interpolate(alpha[None, None], size=(TRIED, TRIED), mode="area")[0, 0]
    views = list(_near(told)) if told is not None else list(_around())
    positions, triangles = torch.from_numpy(surface[0]).to(alpha), torch.from_numpy(surface[1]).to(alpha.device)
    best: tuple[float, int] = (-1.0, 0)
    for start in range(0, len(views), BATCH):
        run.progress(start, len(views))
        part = views[start : start + BATCH]
        cameras = [fitted(view.camera(TRIED), surface[0], small) for view in part]
        images = silhouette(positions, triangles, stack(cameras))
        overlap = torch.minimum(images, small).sum((1, 2)) / torch.maximum(images, small).sum((1, 2)).clamp(min=1e-6)
        k = int(overlap.argmax())
        best = max(best, (float(overlap[k]), start + k))
    view = views[best[1]]
    camera = fitted(view.camera(side), surface[0], alpha)
    return _improved(view, camera, positions, triangles, alpha, 0.0 if told is None else HELD, run)


def fitted(camera: Camera, positions: Float64, alpha: Tensor) -> Camera:
    """One view, with the focal length and centre by which the box of a shape [V, 3] is that of what an image shows.

    Lines that became thinner than a pixel cover none of them by half; then what is covered most counts.
    """
    points = torch.from_numpy(positions)
    flat = camera.project(camera.place(points))[0].numpy()
    coverage = alpha.cpu().numpy()
    low, high = box_of(coverage >= INSIDE / 255.0 * coverage.max())
    scale = float((high - low).max() / np.ptp(flat, axis=0).max())
    focal = camera.focal * scale
    middle = (flat.min(axis=0) + flat.max(axis=0)) / 2 - camera.centre[0]
    return Camera(camera.world_to_camera, focal, (low + high)[None] / 2 - scale * middle, camera.width, camera.height)


def _near(told: View) -> Iterator[View]:
    for turn in NEAR:
        yield View((told.azimuth + turn) % 360.0, told.elevation, told.share)


def _around() -> Iterator[View]:
    for tilt in TILTS:
        for turn in range(AROUND):
            yield View(360.0 * turn / AROUND, tilt, float(np.mean(SHARES)))


def _improved(
    view: View, camera: Camera, positions: Tensor, triangles: Tensor, alpha: Tensor, held: float, run: Run
) -> Found:
    """Azimuth, elevation, focal length and centre moved by Adam until the silhouettes agree best."""
    moves = torch.nn.Parameter(torch.zeros(5, device=alpha.device))
    optimiser = Adam([moves])
    best: tuple[float, list[float]] = (float("inf"), [0.0] * 5)
    front = Camera(np.eye(4)[None], camera.focal, camera.centre, camera.width, camera.height)
    distance = float(camera.world_to_camera[0, 2, 3])
    for step in range(STEPS):
        placed = _placed(view, distance, camera, positions, moves)
        loss = (silhouette(placed, triangles, front)[0] - alpha).abs().mean() + held * moves[1].square()
        if loss.item() < best[0]:
            best = loss.item(), moves.tolist()
        run.progress(step, STEPS, loss.item())
        (gradient,) = torch.autograd.grad(loss, moves)
        optimiser.step([torch.nan_to_num(gradient)], RATE * (1.0 - step / STEPS))
    turn, tilt, scale, right, down = best[1]
    moved = View((view.azimuth + np.degrees(turn)) % 360.0, view.elevation + float(np.degrees(tilt)), view.share)
    focal = camera.focal * float(np.exp(scale))
    centre = camera.centre + np.array([[right, down]]) * camera.focal * float(np.exp(scale))
    matrix = moved.camera(camera.width).world_to_camera
    found = Camera(matrix, focal, centre, camera.width, camera.height)
    with torch.no_grad():
        image = silhouette(positions, triangles, found)[0]
        iou = float(torch.minimum(image, alpha).sum() / torch.maximum(image, alpha).sum().clamp(min=1e-6))
    return Found(found, moved, iou)


def _placed(view: View, distance: float, camera: Camera, positions: Tensor, moves: Tensor) -> Tensor:
    """Positions [V, 3] in the space of a camera that is turned, tilted, zoomed and shifted by ``moves`` [5].

    A zoom and a shift of the image are a stretch and a shear along the view, so that the camera itself stays.
    """
    turn, tilt, scale, right, down = moves.unbind()
    azimuth, elevation = np.radians(view.azimuth - TURNED) + turn, np.radians(view.elevation) + tilt
    zero, one = torch.zeros_like(turn), torch.ones_like(turn)
    ca, sa, ce, se = azimuth.cos(), azimuth.sin(), elevation.cos(), elevation.sin()
    around = torch.stack([ca, zero, -sa, zero, one, zero, sa, zero, ca]).view(3, 3)
    above = torch.stack([-one, zero, zero, zero, -ce, -se, zero, -se, ce]).view(3, 3)
    placed = positions @ (above @ around).T + positions.new_tensor([0.0, 0.0, distance])
    deep = placed[:, 2]
    zoom = scale.exp()
    return torch.stack([zoom * (placed[:, 0] + right * deep), zoom * (placed[:, 1] + down * deep), deep], dim=1)

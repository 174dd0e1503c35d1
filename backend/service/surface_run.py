"""A job that fits a surface: from its request to the field and the surfaces in its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np
import torch

from backend.geometry.shape import Shape
from backend.geometry.shape_data import shape_of
from backend.geometry.shape_file import check_shape
from backend.service.baking import shape_frame
from backend.service.baking import show as show_meshes
from backend.service.job_output import JobOutput
from backend.surface_fit import FitRequest, fit_shape
from backend.surfaces.dataset import Dataset
from backend.surfaces.distance_field import DistanceField, field_of
from backend.surfaces.fragments import whole_surface, without_specks
from backend.surfaces.measures import measure
from backend.surfaces.queries.isosurface import Surface, isosurface, isosurfaces
from backend.surfaces.queries.lattice import Check, check_reach
from backend.surfaces.queries.skeleton import skeleton
from backend.surfaces.skeleton_lines import skeleton_lines
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.messages import Finished, Frame, SurfaceRequest

PREVIEW_RESOLUTION = 32  # cells along the longest side
MEASURED = 128  # and of what is measured for the report, at most
SAMPLES = 5000  # for every figure of it
FORMLESS = 40  # previews offered, one a step, before there is anything to be seen


def run_surface(request: SurfaceRequest, out: JobOutput, device: torch.device) -> None:
    """Fits the field unless it is there already, then makes what of the surfaces is not."""
    if not out.ended():
        _fit(request, out, device)
    # Out of its bytes even where it was fitted just now, so that a second server makes the same bytes of it.
    field = field_of(out.finished().morph.tobytes(), "the field of this job")
    field.network.to(device)
    _make(field, request, out)


def _fit(request: SurfaceRequest, out: JobOutput, device: torch.device) -> None:
    run = Run(
        device=device,
        seed=request.seed,
        seconds=request.seconds,
        on_preview=_shower(out) if request.preview else None,
        cancelled=out.stopped,
    )
    out.follow_training(run)
    shape = shape_of(request.shape)
    check_shape(shape, "the shape")
    check_reach(max(request.levels), float(np.ptp(shape.used(), axis=0).max()))  # before hours of training
    asked = FitRequest(request.method, request.mode, request.preset, request.settings)
    fitted = fit_shape(shape, asked, run)
    report = dict(fitted.report)
    if not fitted.field.signed and (min(request.levels) < 0.0 or request.skeleton):
        said = "the shape has no inside, so there are no surfaces and no skeleton in it"
        report["warnings"] = [*report.get("warnings", ()), said]
    out.progress("measuring", 0, 0, None, None)
    report["metrics"] = surface_metrics(fitted.field, fitted.data, shape, request.resolution, out.check)
    out.keep(Finished(out.job, report, np.frombuffer(fitted.field.to_bytes(), np.uint8)))
    out.drop_previews()


def surface_metrics(
    field: DistanceField, data: Dataset | Shape, shape: Shape, resolution: int, check: Check | None = None
) -> dict[str, Any]:
    """What the report says of a field that was fitted to ``data`` of a shape: measured on the surface that is sent."""
    surface = whole_surface(field, shape, min(resolution, MEASURED), check)
    return measure(field, data, surface=surface, samples=SAMPLES, pairs=2 * SAMPLES)


def _shower(out: JobOutput) -> Callable[[DistanceField], None]:
    """What is done with the previews of a fit."""
    offered = count()

    def show(field: DistanceField) -> None:
        if next(offered) < FORMLESS:
            return
        mesh = _mesh(isosurface(field, field.level, PREVIEW_RESOLUTION, check=out.check))
        if mesh.n_faces:
            show_meshes(out, np.zeros(1), (mesh,), None)

    return show


def _make(field: DistanceField, request: SurfaceRequest, out: JobOutput) -> None:
    total = frame_count(request)
    there = out.frames_there(total)

    def check() -> None:
        out.check()
        out.progress("making the surface", 0, 0, None, None)

    if there < total:
        for frame in surface_frames(field, request, out.job, check):
            if frame.seq >= there:
                out.put(frame, request.resolution)


def surface_frames(
    field: DistanceField, request: SurfaceRequest, job: str, check: Check | None = None
) -> Iterator[Frame]:
    """All frames of a request: its levels, and the skeleton if it is asked for.

    The levels are made in one call, whichever of them is wanted: the cells that they are made on depend on all. The
    closed surface itself comes without specks; whatever lies around or within it comes as it is.
    """
    total = frame_count(request)
    levels = [field.level + distance for distance in request.levels]
    for seq, surface in enumerate(isosurfaces(field, levels, request.resolution, check=check)):
        if field.signed and request.levels[seq] == 0.0:
            surface = without_specks(*surface, shape_of(request.shape))
        yield shape_frame(job, seq, total, _mesh(surface))
    if request.skeleton:
        yield shape_frame(job, total - 1, total, _skeleton(field, check))


def frame_count(request: SurfaceRequest) -> int:
    """How many frames a request has."""
    return len(request.levels) + request.skeleton


def _mesh(surface: Surface) -> MeshData:
    return MeshData.from_triangles(*surface)


def _skeleton(field: DistanceField, check: Check | None) -> MeshData:
    """The skeleton as points and lines of two or more of them, in the place of faces; empty where nothing is inside."""
    places, lines = skeleton_lines(skeleton(field, check=check) if field.signed else np.zeros((0, 3)))
    offsets = np.cumsum([0, *map(len, lines)])
    return MeshData.from_positions(places, offsets, np.concatenate(lines) if lines else np.zeros(0, np.int64))

"""A job that draws a frame of a morph towards outlines: from its request to the refined morph and its frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from backend.checkpoint import morph_from_bytes, refined_to_bytes
from backend.guidance.refine import RefineSettings, refine
from backend.guidance.view import View
from backend.rendering.camera import Camera
from backend.service.baking import bake, morph_in, show
from backend.service.job_output import JobOutput, finished_in
from backend.timeline import times_of
from backend.training.run import Run
from protocol.messages import Finished, Outline, RefineRequest


def run_refine(request: RefineRequest, base: Path, out: JobOutput, device: torch.device) -> None:
    """Refines the morph of the job in ``base`` unless that is done already, then bakes what is not there."""
    if not out.ended():
        out.keep_origin(base)
        _refine(request, finished_in(base), out, device)
    # Out of its bytes even where it was refined just now, so that a second server makes the same bytes of it.
    bake(morph_in(out.finished()), out.submission(), request.timeline, out)


def _refine(request: RefineRequest, base: Finished, out: JobOutput, device: torch.device) -> None:
    morph, facts = morph_from_bytes(base.morph.tobytes())
    timeline, source = request.timeline, morph.source
    time = float(times_of(timeline, morph)[request.frame])
    run = Run(
        device=device,
        seed=request.seed,
        seconds=request.seconds,
        on_preview=(lambda mesh: show(out, np.array([time]), (mesh,), source)) if request.preview else None,
        cancelled=out.stopped,
    )
    out.follow_training(run)
    morph = morph.at_resolution(timeline.resolution, largest_part=timeline.largest_part)
    views = [_view(outline) for outline in request.outlines]
    refined = refine(morph, time, views, RefineSettings(reach=request.reach), run)
    entry = {"frame": request.frame, **refined.report, **run.facts}
    report = {**base.report, "refined": [*base.report.get("refined", ()), entry]}
    content = np.frombuffer(refined_to_bytes(refined.morph, facts), np.uint8)
    out.keep(Finished(out.job, report, content))
    out.drop_previews()


def _view(outline: Outline) -> View:
    """What an outline says, in the terms of the matching."""
    height, width = outline.mask.shape
    camera = Camera(outline.world_to_camera[None], outline.focal[None], outline.centre[None], width, height)
    return View(outline.mask.astype(np.float32) / 255.0, camera)

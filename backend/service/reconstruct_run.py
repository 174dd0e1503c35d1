"""A job that makes a shape of an image: from its request to its one frame."""

from __future__ import annotations

import numpy as np
import torch

from backend.service.baking import shape_frame, show
from backend.service.job_output import JobOutput
from backend.single_view.model import model_of, shipped_model
from backend.single_view.reconstruct import reconstruct
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.messages import Finished, ReconstructRequest


def run_reconstruct(request: ReconstructRequest, out: JobOutput, device: torch.device) -> None:
    """Makes the shape unless it is there already."""
    if not out.ended():
        _reconstruct(request, out, device)
    out.frames_there(1)


def _reconstruct(request: ReconstructRequest, out: JobOutput, device: torch.device) -> None:
    run = Run(
        device=device,
        seed=request.seed,
        seconds=request.seconds,
        on_preview=(lambda mesh: show(out, np.zeros(1), (mesh,), None)) if request.preview else None,
        cancelled=out.stopped,
    )
    out.follow_training(run)
    model = shipped_model() if request.model is None else model_of(request.model.tobytes(), "the model")
    model.network.to(device)
    made = reconstruct(model, request.image, run, resolution=request.resolution, refine=request.refine)
    mesh = MeshData.from_triangles(made.positions, made.triangles)
    # The frame first, since nothing that is kept could make it again; the server is told of it after the end is kept.
    out.keep_frame(shape_frame(out.job, 0, 1, mesh), request.resolution)
    out.keep(Finished(out.job, {**made.report, **run.facts}, np.zeros(0, np.uint8)))
    out.drop_previews()

"""``correspond-train``: from a folder of meshes of one kind to a model that maps any two such meshes."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.interrupt import Interrupt
from backend.commands.mesh_folder import mesh_files, surfaces
from backend.commands.output import check_file
from backend.commands.parser import CommandError, Parser, choice, seconds, whole_number
from backend.commands.progress import Progress, duration

if TYPE_CHECKING:
    from backend.correspondence.implicit_dense.data import Collection
    from backend.correspondence.implicit_dense.model import DenseModel
    from backend.correspondence.implicit_dense.stages import Position
    from backend.geometry.repair import WorkingMesh
    from backend.training.run import Run


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="meshes of one kind, upright and facing one way; sub-folders too")
    add("--out", type=Path, required=True, metavar="MODEL", help="file for the model (.safetensors)")
    add("--seconds", type=seconds, metavar="S", help="time of the whole training; default: until its steps are done")
    add("--resume", action="store_true", help="go on with the training that left MODEL; its settings stay")
    add("--force", action="store_true", help="replace an earlier MODEL")
    add("--preset", type=choice("quick", "paper"), default="quick", metavar="P", help="quick (default) or paper (days)")
    add("--align", action="store_true", help="turn the meshes like the first one, if they lie in different ways")
    add("--no-cross", action="store_true", help="without the losses across shapes, to see what they bring")
    add("--seed", type=whole_number(0, 2**31 - 1), default=0, metavar="N", help="default 0")
    add("--device", default="cpu", metavar="D", help="cpu (default), cuda, mps or auto")


def run(arguments: argparse.Namespace) -> int:
    from backend.device import choose_device, configure
    from backend.training.run import Cancelled, Run

    _check_out(arguments)
    configure()
    device = choose_device(arguments.device)
    with Progress() as progress, Interrupt(progress.note) as interrupt:
        watched = _Watch(progress, interrupt)
        work = Run(device=device, seed=arguments.seed, on_progress=watched, cancelled=watched.cancelled)
        watched.run = work
        cpu = time.process_time()
        try:
            files = _mesh_files(arguments)
            model = _begun(arguments, files)
            collection, model = _collection(model, surfaces(files, watched.reading), work)
        except Cancelled:
            raise KeyboardInterrupt from None
        budget = arguments.seconds or model.seconds
        work = Run(device=device, seed=model.seed, on_progress=watched, seconds=_left(budget, model))
        watched.run = work
        model = _trained(replace(model, seconds=budget), collection, work, arguments.out)
    sys.stdout.write(_summary(model, arguments.out, time.process_time() - cpu))
    return 0 if model.finished else 130


class _Watch:
    """Passes progress on. The first Ctrl-C ends the training and keeps it, or the command before it began."""

    def __init__(self, progress: Progress, interrupt: Interrupt) -> None:
        self._progress = progress
        self._interrupt = interrupt
        self.run: Run | None = None

    def __call__(self, phase: str, step: int, total: int, loss: float | None, seconds_left: float | None) -> None:
        if self._interrupt.asked and self.run is not None:
            self.run.finish_now()
        self._progress(phase, step, total, loss, seconds_left)

    def reading(self, step: int, total: int) -> None:
        if self._interrupt.asked:
            raise KeyboardInterrupt
        self._progress("reading", step, total)

    def cancelled(self) -> bool:
        return self._interrupt.asked


def _check_out(arguments: argparse.Namespace) -> None:
    out = arguments.out
    check_file(out)
    if arguments.resume and not out.is_file():
        raise CommandError(f"{out}: there is no such model to go on with; leave out --resume")
    if out.exists() and not (arguments.resume or arguments.force):
        raise CommandError(f"{out}: exists; add --resume to go on with its training, or --force to replace it")


def _mesh_files(arguments: argparse.Namespace) -> list[Path]:
    files = mesh_files(arguments.folder)
    if arguments.out.resolve() in [path.resolve() for path in files]:
        raise CommandError(f"{arguments.out}: is one of the meshes; choose another --out")
    return files


def _begun(arguments: argparse.Namespace, files: list[Path]) -> DenseModel:
    """The model at its start, or as the earlier training left it."""
    import torch

    from backend.correspondence.implicit_dense.model import DenseModel, read_model
    from backend.correspondence.implicit_dense.networks import DenseNetworks
    from backend.correspondence.implicit_dense.settings import paper, quick

    names = tuple(path.relative_to(arguments.folder).as_posix() for path in files)
    if arguments.resume:
        model = read_model(arguments.out)
        if model.names != names:
            raise CommandError(
                f"{arguments.folder}: holds {len(names)} meshes, and {arguments.out} was begun on {len(model.names)} "
                "others; name the folder that it was begun on"
            )
        return model
    settings = paper(len(files)) if arguments.preset == "paper" else quick()
    if arguments.no_cross:
        settings = settings.without_cross()
    networks = DenseNetworks(settings.widths)
    networks.start_(torch.Generator().manual_seed(arguments.seed))
    return DenseModel(networks, settings, names, seed=arguments.seed, aligned=arguments.align)


def _collection(model: DenseModel, meshes: list[WorkingMesh], work: Run) -> tuple[Collection, DenseModel]:
    """The samples of all meshes."""
    from backend.correspondence.implicit_dense.data import Collection, placed, shape_data

    if model.aligned and model.reference is None:
        model = replace(model, reference=meshes[0])
    shapes = []
    with work.phase("sampling"):
        for number, mesh in enumerate(meshes):
            positions = placed(mesh, model.reference).apply(mesh.positions)
            shapes.append(shape_data(positions, mesh.triangles, number))
            work.progress(number + 1, len(meshes))
    return Collection(shapes, work.device), model


def _left(budget: float | None, model: DenseModel) -> float | None:
    return None if budget is None else max(budget - model.at.seconds, 0.0)


def _trained(model: DenseModel, collection: Collection, work: Run, out: Path) -> DenseModel:
    from backend.correspondence.implicit_dense.model import write_model
    from backend.correspondence.implicit_dense.stages import train_dense

    model.networks.to(work.device)

    def keep(at: Position) -> None:
        write_model(out, replace(model, at=at))

    at = train_dense(model.networks, collection, model.settings, work, model.at, keep)
    keep(at)
    return replace(model, at=at)


def _summary(model: DenseModel, out: Path, cpu: float) -> str:
    losses = ", ".join(f"{loss:.3g}" for loss in model.at.losses)
    done = (
        "trained"
        if model.finished
        else f"stopped in stage {model.at.stage + 1} of {len(model.settings.stages)}; --resume goes on with it"
    )
    return (
        f"{out}: {done}; {len(model.names)} meshes, {duration(model.at.seconds)} of training in all, "
        f"{cpu:.0f} CPU seconds this time; loss of the stages {losses or 'not known yet'}\n"
    )

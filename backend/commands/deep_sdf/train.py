"""``deep-sdf train``: from a folder of meshes, or of published samples, to a decoder of them."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.interrupt import Interrupt
from backend.commands.model_file import BEGUN, add_training, begun_on_disk, check_model
from backend.commands.output import made_folder, naming_output
from backend.commands.parser import CommandError, Parser, choice
from backend.commands.progress import Progress, duration
from backend.commands.shape_space.shapes import shapes_in

if TYPE_CHECKING:
    from backend.commands.watch import Watch
    from backend.surfaces.mesh_sdf.model import DecoderModel
    from backend.surfaces.mesh_sdf.training_data import TrainingData
    from backend.training.checkpoints import Checkpoints
    from backend.training.run import Run

SAMPLES = "SdfSamples"  # folder of published samples: SdfSamples/DATASET/CLASS/NAME.npz
MODEL = "decoder.safetensors"  # in the output folder
PRESETS = ("fast", "paper", "paper-single-view")


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help=f"meshes as they lie together, or one with {SAMPLES}/…/NAME.npz")
    add("--out", type=Path, required=True, metavar="DIR", help=f"folder for {MODEL} and its checkpoints")
    add(
        "--preset",
        type=choice(*PRESETS),
        default="fast",
        metavar="P",
        help="fast (default: minutes), paper (the published pair: hours) or paper-single-view (cars and chairs: weeks)",
    )
    add_training(parser, "DIR")


def run(arguments: argparse.Namespace) -> int:
    from backend.commands.watch import Watch
    from backend.device import choose_device, configure
    from backend.training.checkpoints import checkpoints_of
    from backend.training.run import Run

    resumed = arguments.resume or arguments.checkpoint is not None
    out: Path = arguments.out / MODEL
    if arguments.out.exists() and not arguments.out.is_dir():
        raise CommandError(f"{arguments.out}: is a file; name a folder with --out")
    if arguments.out.is_dir():
        check_model(out, checkpoints_of(out), resumed, arguments.force)
    elif resumed:
        raise CommandError(f"{arguments.out}: no training was begun there; leave out --resume and --checkpoint")
    configure()
    device = choose_device(arguments.device)
    cpu = time.process_time()
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        watch = Watch(progress, interrupt)
        work = Run(device=device, seed=arguments.seed, on_progress=progress)
        model, data, checkpoints = _begun(arguments, resumed, work)
        with made_folder(arguments.out):
            model = _trained(model, data, checkpoints, work, watch, arguments)
        finished = not interrupt.asked
    sys.stdout.write(_summary(model, out, finished, time.process_time() - cpu))
    return 0 if finished else 130


def _begun(arguments: argparse.Namespace, resumed: bool, work: Run) -> tuple[DecoderModel, TrainingData, Checkpoints]:
    """The model before its training, what it is trained on, and the checkpoints to begin with."""
    from backend.surfaces.mesh_sdf.model import DecoderModel, read_decoder
    from backend.surfaces.mesh_sdf.settings import preset
    from backend.training.checkpoints import LATEST, Checkpoints, checkpoint_named, checkpoints_of

    folder = checkpoints_of(arguments.out / MODEL)
    if resumed:
        model = read_decoder(folder / BEGUN)
        start = checkpoint_named(folder, arguments.checkpoint or LATEST)
        data = _data(arguments, work, model.seed, set(model.names))
        if data.names != model.names:
            raise CommandError(
                f"{arguments.folder}: does not hold the {len(model.names)} shapes that {arguments.out} was begun on; "
                "name the folder that it was begun on"
            )
        return model, data, Checkpoints(folder, model.decoder.settings.keep_every, start)
    data = _data(arguments, work, arguments.seed)
    changes = {} if arguments.steps is None else {"steps": arguments.steps}
    settings = preset(arguments.preset, len(data.names), changes)
    model = DecoderModel.begun(settings, data.names, data.frames, preset=arguments.preset, seed=arguments.seed)
    return model, data, Checkpoints(folder, settings.keep_every)


def _data(arguments: argparse.Namespace, work: Run, seed: int, wanted: set[str] | None = None) -> TrainingData:
    """Of the shapes of the folder, or of those that are ``wanted``."""
    from backend.surfaces.mesh_sdf.training_data import of_files, of_shapes

    files = sorted(arguments.folder.rglob(f"{SAMPLES}/**/*.npz")) if arguments.folder.is_dir() else []
    if arguments.folder.name == SAMPLES:
        files = sorted(arguments.folder.rglob("*.npz"))
    if files:
        named = [(path.relative_to(arguments.folder).with_suffix("").as_posix(), path) for path in files]
        with work.phase("reading"):
            return of_files([one for one in named if wanted is None or one[0] in wanted], work.progress)
    with work.phase("reading"):
        shapes = [(one.name, one.shape) for one in shapes_in(arguments.folder, work.progress)]
    with work.phase("sampling"):
        return of_shapes([one for one in shapes if wanted is None or one[0] in wanted], seed, check=work.progress)


def _trained(
    model: DecoderModel,
    data: TrainingData,
    checkpoints: Checkpoints,
    work: Run,
    watch: Watch,
    arguments: argparse.Namespace,
) -> DecoderModel:
    """The model as far as it came, written."""
    from backend.surfaces.mesh_sdf.model import write_decoder
    from backend.surfaces.mesh_sdf.training import every_pair, train_decoder, training_facts
    from backend.training.run import Run

    training = Run(device=work.device, seed=model.seed, seconds=arguments.seconds, on_progress=watch)
    watch.run = training
    out = arguments.out / MODEL
    model.decoder.requires_grad_(True).to(work.device)
    between = data.between(model.decoder.settings, every_pair(len(data.names)), model.seed, work.device)
    with naming_output(arguments.out), begun_on_disk(checkpoints, lambda path: write_decoder(path, model)):
        outcome = train_decoder(model.decoder, data.samples, training, checkpoints, between=between)
        model.decoder.to("cpu")
        model = replace(model, facts=training_facts(model.decoder, data, outcome))
        write_decoder(out, model)
    return model


def _summary(model: DecoderModel, out: Path, finished: bool, cpu: float) -> str:
    errors = model.facts["l1"]
    done = "trained" if finished else "stopped; --resume goes on with it"
    measured = "" if errors is None else f", mean clamped error {errors:.2g} at new samples"
    return (
        f"{out}: {done}; {len(model.names)} shapes, {model.facts['steps']} steps{measured}, "
        f"{duration(cpu)} of processor time\n"
    )

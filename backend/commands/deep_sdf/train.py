"""``deep-sdf train``: from a folder of meshes, or of published samples, to a decoder of them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.model_file import add_training, begun_on_disk, check_model, is_resumed
from backend.commands.model_training import ModelTraining, train_model
from backend.commands.output import made_folder, naming_output
from backend.commands.parser import CommandError, Parser, choice
from backend.commands.shape_space.shapes import shapes_in

if TYPE_CHECKING:
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
    out: Path = arguments.out / MODEL
    if arguments.out.exists() and not arguments.out.is_dir():
        raise CommandError(f"{arguments.out}: is a file; name a folder with --out")
    if arguments.out.is_dir():
        _check_alone(arguments)
        check_model(out, arguments)
    elif is_resumed(arguments):
        raise CommandError(f"{arguments.out}: no training was begun there; leave out --resume and --checkpoint")
    return train_model(arguments, out, _train)


def _check_alone(arguments: argparse.Namespace) -> None:
    """Raises ``CommandError`` where the output folder holds anything but an earlier training, as another result."""
    from backend.training.checkpoints import checkpoints_of

    own = (MODEL, checkpoints_of(Path(MODEL)).name)
    others = sorted(path.name for path in arguments.out.iterdir() if path.name not in own)
    if others and not (is_resumed(arguments) or arguments.force):
        raise CommandError(
            f"{arguments.out}: the folder holds other files, {others[0]}; choose a new folder, or add --force to put "
            "the decoder among them"
        )


def _train(training: ModelTraining) -> str:
    with made_folder(training.arguments.out):
        model = _trained(training, *_begun(training))
    error = model.facts["l1"]
    measured = "" if error is None else f", mean clamped error {error:.2g} at new samples"
    return f"{len(model.names)} shapes, {model.facts['steps']} steps{measured}"


def _begun(training: ModelTraining) -> tuple[DecoderModel, TrainingData, Checkpoints]:
    """The model before its training, what it is trained on, and the checkpoints to begin with."""
    from backend.surfaces.mesh_sdf.model import DecoderModel, read_decoder
    from backend.surfaces.mesh_sdf.settings import preset

    arguments, work = training.arguments, training.work
    if training.resumed:
        model = training.begun(read_decoder)
        checkpoints = training.checkpoints(model.decoder.settings.keep_every)
        data = _data(arguments, work, model.seed, set(model.names))
        if data.names != model.names:
            raise CommandError(
                f"{arguments.folder}: does not hold the {len(model.names)} shapes that {arguments.out} was begun on; "
                "name the folder that it was begun on"
            )
        return model, data, checkpoints
    data = _data(arguments, work, arguments.seed)
    settings = preset(arguments.preset, len(data.names), training.changes)
    model = DecoderModel.begun(settings, data.names, data.frames, preset=arguments.preset, seed=arguments.seed)
    return model, data, training.checkpoints(settings.keep_every)


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
    training: ModelTraining, model: DecoderModel, data: TrainingData, checkpoints: Checkpoints
) -> DecoderModel:
    """The model as far as it came, written."""
    from backend.surfaces.mesh_sdf.model import write_decoder
    from backend.surfaces.mesh_sdf.training import every_pair, train_decoder, training_facts

    run, decoder = training.run(model.seed), model.decoder
    decoder.requires_grad_(True).to(run.device)
    between = data.between(decoder.settings, every_pair(len(data.names)), model.seed, run.device)
    with naming_output(training.arguments.out), begun_on_disk(checkpoints, lambda path: write_decoder(path, model)):
        outcome = train_decoder(decoder, data.samples, run, checkpoints, between=between)
        decoder.to("cpu")
        model = replace(model, facts=training_facts(decoder, data, outcome))
        write_decoder(training.out, model)
    return model

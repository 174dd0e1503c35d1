"""Models as a command names them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.model_file import SHIPPED, is_shipped
from backend.commands.parser import CommandError, Parser, whole_number

if TYPE_CHECKING:
    from backend.single_view.model import SingleViewModel

MODEL_HELP = "file of single-view train; or shipped: the one that comes with the program, of chairs"


def add_model(parser: Parser) -> None:
    """The arguments of every command that uses a model."""
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help=MODEL_HELP)
    add("--checkpoint", metavar="N", help="the model as it was after N steps, or at the latest checkpoint")
    add("--resolution", type=whole_number(16, 512), default=128, metavar="N", help="cells of the result; default 128")
    add("--seed", type=whole_number(0, 2**31 - 1), default=0, metavar="N", help="default 0")
    add("--device", default="cpu", metavar="D", help="cpu (default), cuda, mps or auto")


def model_at(arguments: argparse.Namespace) -> SingleViewModel:
    """The model that the arguments name, on their device."""
    from backend.device import choose_device, configure
    from backend.single_view.model import read_model, shipped_model

    configure()
    device = choose_device(arguments.device)
    if is_shipped(arguments, "model"):
        model = shipped_model()
    elif not arguments.model.is_file():
        raise CommandError(
            f"{arguments.model}: there is no such file; name the one that single-view train wrote, or {SHIPPED}, the "
            "model of chairs that comes with the program"
        )
    else:
        model = read_model(arguments.model, arguments.checkpoint)
    model.network.to(device)
    return model

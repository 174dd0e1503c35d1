"""``single-view``: the shape in one image: make the data, train, reconstruct, measure."""

from __future__ import annotations

import argparse
import importlib
from typing import Final

from backend.commands.parser import Parser

TASKS: Final = {
    "dataset": "renders and samples of a folder of meshes, in the published layout",
    "train": "learn to see the shapes of a dataset in images",
    "reconstruct": "the shape in an image, refined until its silhouette is that of the image",
    "metrics": "errors on shapes held out, before and after the refinement, beside those of the nearest trained shape",
}


def add_arguments(parser: Parser) -> None:
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK", parser_class=Parser)
    for name, purpose in TASKS.items():
        own = tasks.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        importlib.import_module(f"{__name__}.{name}").add_arguments(own)


def run(arguments: argparse.Namespace) -> int:
    status: int = importlib.import_module(f"{__name__}.{arguments.task}").run(arguments)
    return status

"""``shape-space``: a family of shapes as a space: train it, find unseen shapes in it, go from one to another."""

from __future__ import annotations

import argparse
import importlib
from typing import Final

from backend.commands.parser import Parser

TASKS: Final = {
    "train": "learn the space of a folder of shapes, or of a sequence",
    "encode": "find the place of an unseen shape: its code and the surface there",
    "interpolate": "go from shape to shape: a chain of meshes as frames",
    "sample": "shapes at random around a place",
    "evaluate": "errors of a space on the shapes it was trained on and on those held out",
}


def add_arguments(parser: Parser) -> None:
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK", parser_class=Parser)
    for name, purpose in TASKS.items():
        own = tasks.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        importlib.import_module(f"{__name__}.{name}").add_arguments(own)


def run(arguments: argparse.Namespace) -> int:
    status: int = importlib.import_module(f"{__name__}.{arguments.task}").run(arguments)
    return status

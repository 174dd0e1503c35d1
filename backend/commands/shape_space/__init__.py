"""``shape-space``: a family of shapes as a space: train it, find unseen shapes in it, go from one to another."""

from __future__ import annotations

import argparse
from typing import Final

from backend.commands.parser import Parser
from backend.commands.tasks import add_tasks, run_task

TASKS: Final = {
    "train": "learn the space of a folder of shapes, or of a sequence",
    "encode": "find the place of an unseen shape: its code and the surface there",
    "interpolate": "go from shape to shape: a chain of meshes as frames",
    "sample": "shapes at random around a place",
    "evaluate": "errors of a space on the shapes it was trained on and on those held out",
}


def add_arguments(parser: Parser) -> None:
    add_tasks(parser, __name__, TASKS)


def run(arguments: argparse.Namespace) -> int:
    return run_task(__name__, arguments)

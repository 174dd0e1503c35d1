"""``single-view``: the shape in one image: make the data, train, reconstruct, measure."""

from __future__ import annotations

import argparse
from typing import Final

from backend.commands.parser import Parser
from backend.commands.tasks import add_tasks, run_task

TASKS: Final = {
    "dataset": "renders and samples of a folder of meshes, in the published layout",
    "train": "learn to see the shapes of a dataset in images",
    "reconstruct": "the shape in an image, refined until its silhouette is that of the image",
    "metrics": "errors on shapes held out, before and after the refinement, beside those of the nearest trained shape",
}


def add_arguments(parser: Parser) -> None:
    add_tasks(parser, __name__, TASKS)


def run(arguments: argparse.Namespace) -> int:
    return run_task(__name__, arguments)

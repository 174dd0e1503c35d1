"""``deep-sdf``: one decoder of signed distances for many shapes, each of them a code."""

from __future__ import annotations

import argparse
from typing import Final

from backend.commands.parser import Parser
from backend.commands.tasks import add_tasks, run_task

TASKS: Final = {"train": "learn the decoder of a folder of meshes, or of published samples"}


def add_arguments(parser: Parser) -> None:
    add_tasks(parser, __name__, TASKS)


def run(arguments: argparse.Namespace) -> int:
    return run_task(__name__, arguments)

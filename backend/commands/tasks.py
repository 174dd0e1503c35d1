"""Commands that have several tasks, each in a module of its own beside the command's."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping

from backend.commands.parser import Parser


def add_tasks(parser: Parser, package: str, tasks: Mapping[str, str]) -> None:
    """Gives a command its tasks: for each the name of a module of ``package``, and what it is for."""
    own = parser.add_subparsers(dest="task", required=True, metavar="TASK", parser_class=Parser)
    for name, purpose in tasks.items():
        task = own.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        importlib.import_module(f"{package}.{name}").add_arguments(task)


def run_task(package: str, arguments: argparse.Namespace) -> int:
    """Runs the task that was asked for."""
    status: int = importlib.import_module(f"{package}.{arguments.task}").run(arguments)
    return status

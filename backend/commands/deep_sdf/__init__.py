"""``deep-sdf``: one decoder of signed distances for many shapes, each of them a code."""

from __future__ import annotations

import argparse

from backend.commands.deep_sdf import train
from backend.commands.parser import Parser


def add_arguments(parser: Parser) -> None:
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK", parser_class=Parser)
    purpose = "learn the decoder of a folder of meshes, or of published samples"
    train.add_arguments(tasks.add_parser("train", help=purpose, description=purpose[0].upper() + purpose[1:] + "."))


def run(arguments: argparse.Namespace) -> int:
    return train.run(arguments)

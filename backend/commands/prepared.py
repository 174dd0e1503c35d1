"""The options that pick a pair of prepared data (``--data DIR --index I --subindex J``) in place of files."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.commands.output import LISTING
from backend.commands.parser import CommandError, Parser, whole_number

MOST = 10**6


@dataclass(frozen=True)
class PreparedPair:
    """Where the meshes and the match of a pair are."""

    source: Path
    target: Path
    table: Path | None  # None: the vertex order is the match


def add_data_options(parser: Parser) -> None:
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="take a pair that `prepare` has listed in DIR, and its match")
    add("--index", type=whole_number(0, MOST), metavar="I", help="of --data: number of the source")
    add("--subindex", type=whole_number(0, MOST), metavar="J", help="of --data: number among the pairs of that source")


def prepared_pair(arguments: argparse.Namespace) -> PreparedPair | None:
    """The pair that the options pick, or None where they are not given."""
    folder, index, subindex = arguments.data, arguments.index, arguments.subindex
    if folder is None:
        if index is not None or subindex is not None:
            raise CommandError("--index and --subindex pick a pair of --data DIR; add that")
        return None
    if arguments.source is not None or arguments.target is not None:
        raise CommandError("--data picks the source and the target; leave out the meshes, or leave out --data")
    listing = _listing(folder)
    if index is None or subindex is None:
        raise CommandError(f"--data needs --index and --subindex, too; {_known(listing)}")
    for entry in listing["pairs"]:
        if (entry["index"], entry["subindex"]) == (index, subindex):
            return _pair(folder, listing, entry)
    raise CommandError(f"{folder}: has no pair --index {index} --subindex {subindex}; {_known(listing, index)}")


def _pair(folder: Path, listing: dict[str, Any], entry: dict[str, Any]) -> PreparedPair:
    files = {shape["name"]: Path(shape["file"]) for shape in listing["shapes"]}
    for name in (entry["source"], entry["target"]):
        if not files[name].is_file():
            raise CommandError(f"{files[name]}: is no longer there; put it back, or run `prepare` again for {folder}")
    table = None if entry["table"] is None else folder / entry["table"]
    return PreparedPair(files[entry["source"]], files[entry["target"]], table)


def _listing(folder: Path) -> dict[str, Any]:
    path = folder / LISTING
    try:
        listing: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        names = {shape["name"]: shape["file"] for shape in listing["shapes"]}
        for entry in listing["pairs"]:
            _ = entry["index"], entry["subindex"], entry["table"], names[entry["source"]], names[entry["target"]]
    except OSError as error:
        raise CommandError(
            f"{path}: cannot be read ({error.strerror or error}); --data names a folder that `prepare` has made"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path}: is not what `prepare` writes; run it again") from error
    return listing


def _known(listing: dict[str, Any], index: int | None = None) -> str:
    """Which numbers there are, in words."""
    pairs = listing["pairs"]
    same = [entry for entry in pairs if entry["index"] == index]
    if same:
        return f"source {index} ({same[0]['source']}) has subindex 0 to {len(same) - 1}"
    numbers = sorted({entry["index"] for entry in pairs})
    return f"sources of pairs are {numbers[0]} to {numbers[-1]}" + (
        "" if len(numbers) == numbers[-1] - numbers[0] + 1 else f", {len(numbers)} of them"
    )

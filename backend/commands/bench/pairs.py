"""The pairs that are measured: the shipped fox, or those of a folder with a manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from backend.commands.demo import FOX
from backend.commands.parser import CommandError


@dataclass(frozen=True)
class BenchPair:
    """One pair on disk, and what is known of the truth."""

    name: str
    source: Path
    target: Path
    table: Path | None  # vertex pairs
    truth: Path | None  # [T, V, 3] true positions, even in time
    kind: str = ""  # what the manifest calls it: sequence, near-isometric, ...


SHIPPED: Final = BenchPair(
    "fox_run", FOX / "source.obj", FOX / "target.obj", FOX / "corr.npy", FOX / "inbetween.npy", "sequence"
)


def find_pairs(folder: Path | None, only: Sequence[str]) -> list[BenchPair]:
    """The pairs of a manifest, in its order; the shipped one without a folder."""
    found = [SHIPPED] if folder is None else [_pair(folder, entry) for entry in _manifest(folder)]
    names = {name.replace("-", "_") for name in only}
    unknown = names - {pair.name for pair in found}
    if unknown:
        known = ", ".join(pair.name for pair in found)
        raise CommandError(f"there is no pair {', '.join(sorted(unknown))}; there are {known}")
    return [pair for pair in found if not names or pair.name in names]


def _manifest(folder: Path) -> list[dict[str, Any]]:
    path = folder / "manifest.json"
    try:
        pairs = json.loads(path.read_text(encoding="utf-8"))["pairs"]
    except OSError as error:
        raise CommandError(f"{path}: cannot be read ({error.strerror}); --data names a folder with one") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path}: is no manifest of pairs ({error!r})") from error
    return list(pairs)


def _pair(folder: Path, entry: dict[str, Any]) -> BenchPair:
    def file(key: str) -> Path | None:
        return folder / entry[key] if entry.get(key) else None

    try:
        ends = folder / entry["source"], folder / entry["target"]
        return BenchPair(entry["id"], *ends, file("corr"), file("inbetween"), entry.get("kind", ""))
    except (KeyError, TypeError) as error:
        raise CommandError(f"{folder / 'manifest.json'}: an entry lacks {error}") from error

"""Arrays and what is known of them as the bytes of one safetensors file: nothing in it can execute."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

import backend
from protocol.settings import SettingError

CHECKSUM = "checksum"  # of the whole file, among the facts; files of earlier versions have none
UNSUMMED = 64 * "0"  # what stands in its place while it is computed


def fact_file(format: str, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> bytes:
    """The bytes of a file; ``facts`` are of plain types."""
    plain = {"format": format, "version": backend.__version__, **facts, CHECKSUM: UNSUMMED}
    # One entry only: the library writes several in no fixed order.
    metadata = {"tweenfield": json.dumps(plain, sort_keys=True)}
    data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata)
    return data.replace(UNSUMMED.encode(), _summed(data).encode(), 1)


def format_of(data: bytes) -> Any:
    """What ``fact_file`` was given as format; None for bytes that are not such a file."""
    try:
        facts = _facts_in(data)
    except ValueError:
        return None
    return facts.get("format") if isinstance(facts, dict) else None


def parse_fact_file(data: bytes, format: str, wrong: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays and facts of such bytes. Raises ``SettingError``, ``wrong`` and the reason, for any others."""
    try:
        arrays = load(data)
        facts = _facts_in(data)
    except (SafetensorError, ValueError) as error:
        raise SettingError(f"{wrong} (no readable safetensors file: {error})") from error
    found = facts.get("format") if isinstance(facts, dict) else None
    if found != format:
        raise SettingError(f"{wrong} (its format is {found!r})")
    told = str(facts.pop(CHECKSUM, ""))
    if told and _summed(data.replace(told.encode(), UNSUMMED.encode(), 1)) != told:
        changed = "the file is damaged: its content is not what was written; copy it again, or make it anew"
        raise SettingError(f"{wrong} ({changed})")
    return arrays, facts


def _summed(data: bytes) -> str:
    """The checksum of a file that has ``UNSUMMED`` in its place."""
    return hashlib.sha256(data).hexdigest()


@contextmanager
def undamaged(what: str) -> Iterator[None]:
    """For what is made of the arrays and facts of a file. Raises ``SettingError`` where they do not go together.

    ``what`` is called damaged then: the name of the file and what it should be.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SettingError(f"{what}, or one of another version ({error!r})") from error


def _facts_in(data: bytes) -> Any:
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    about = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return json.loads(about.get("tweenfield", "{}") if isinstance(about, dict) else "{}")


def put_in_place(path: Path, data: bytes) -> None:
    """Writes a file that is never seen half written."""
    aside = path.with_name(f".{path.name}.part")
    try:
        aside.write_bytes(data)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)

"""Faults of a mesh are found under its role, such as "source", and told of its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from backend.commands.parser import CommandError


@contextmanager
def naming_files(files: Mapping[str, Path]) -> Iterator[None]:
    """A fault that begins with one of the roles is told of the file of that role."""
    from protocol.mesh import MeshError

    try:
        yield
    except (MeshError, CommandError) as error:
        role, colon, fault = str(error).partition(": ")
        if role in files and colon:
            raise CommandError(f"{files[role]}: {fault}") from error
        raise

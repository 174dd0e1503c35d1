"""The meshes of a folder, each as the surface that computations run on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.parser import CommandError

if TYPE_CHECKING:
    from backend.geometry.repair import WorkingMesh


def mesh_files(folder: Path, at_least: int = 2) -> list[Path]:
    """Every mesh file below ``folder``, sorted by its path there."""
    from backend.geometry.io import SUFFIXES

    if not folder.is_dir():
        raise CommandError(f"{folder}: is not a folder; name the one that holds the meshes")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if len(files) < at_least:
        raise CommandError(f"{folder}: holds {len(files)} meshes ({', '.join(SUFFIXES)}); it takes {at_least} at least")
    return files


def surfaces(files: list[Path], check: Callable[[int, int], None]) -> list[WorkingMesh]:
    """The surfaces, in object space."""
    from backend.geometry.io import read_mesh
    from backend.geometry.repair import working_mesh

    found = []
    for number, path in enumerate(files):
        check(number, len(files))
        surface = working_mesh(read_mesh(path), str(path))
        found.append(replace(surface, positions=surface.positions + surface.origin, origin=0.0 * surface.origin))
    return found

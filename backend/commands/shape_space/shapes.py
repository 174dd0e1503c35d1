"""The shapes of a folder or of one file, and which of them a space is trained on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands.parser import CommandError

if TYPE_CHECKING:
    from backend.geometry.shape import Shape
    from backend.surfaces.space.samples import NamedShape

SEQUENCE = "inbetween.npy"  # positions [T, V, 3] of a folder with one mesh and its poses
SOURCE = "source.obj"  # whose faces these have
CLOUDS = (".xyz", ".npy", ".npz")
FEWEST = 2


def shapes_in(folder: Path, check: Callable[[int, int], None]) -> list[NamedShape]:
    """Every mesh and point cloud below a folder by its path there; of a sequence, every frame."""
    from backend.geometry.io import SUFFIXES
    from backend.surfaces.space.samples import NamedShape

    if not folder.is_dir():
        raise CommandError(f"{folder}: is not a folder; name the one that holds the shapes")
    if (folder / SEQUENCE).is_file():
        return _frames(folder)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (*SUFFIXES, *CLOUDS))
    if len(files) < FEWEST:
        kinds = ", ".join((*SUFFIXES, *CLOUDS))
        raise CommandError(
            f"{folder}: holds {len(files)} shapes ({kinds}); it takes {FEWEST} at least, or {SEQUENCE} with a "
            f"{SOURCE} beside it"
        )
    found = []
    for number, path in enumerate(files):
        check(number, len(files))
        found.append(NamedShape(path.relative_to(folder).as_posix(), shape_of(path)))
    return found


def shape_of(path: Path) -> Shape:
    """The shape of a file; a mesh as the surface that computations run on, its corners welded."""
    from backend.geometry.io import read_mesh
    from backend.geometry.repair import working_mesh
    from backend.geometry.shape import Shape
    from backend.geometry.shape_file import read_shape

    found = read_shape(path, "cloud" if path.suffix.lower() in CLOUDS else "auto", 3)
    if found.kind != "mesh":
        return found
    surface = working_mesh(read_mesh(path), str(path))
    return Shape(surface.positions + surface.origin, triangles=surface.triangles)


def _frames(folder: Path) -> list[NamedShape]:
    import numpy as np

    from backend.geometry.array_format import read_array
    from backend.geometry.io import read_mesh
    from backend.geometry.shape import Shape
    from backend.surfaces.space.samples import NamedShape

    poses = read_array(folder / SEQUENCE, "export the sequence again")
    triangles = read_mesh(folder / SOURCE).triangles().astype(np.int64)
    if poses.ndim != 3 or poses.shape[2] != 3 or poses.shape[1] <= triangles.max() or len(poses) < FEWEST:
        raise CommandError(
            f"{folder / SEQUENCE}: has the shape {list(poses.shape)}; it must be [poses, vertices of {SOURCE}, 3] with "
            f"{FEWEST} poses at least"
        )
    return [NamedShape(f"frame_{number:04d}", Shape(pose, triangles=triangles)) for number, pose in enumerate(poses)]


def split(names: Sequence[str], file: Path | None, hold_out: int) -> tuple[list[int], list[int]]:
    """Numbers of the shapes to train on and of those held out.

    By a file, or one of every ``hold_out`` (0: none): the third of each four, so that both ends of a sequence stay.
    """
    if file is not None:
        train, test = _of_file(names, file)
    else:
        test = [k for k in range(len(names)) if hold_out and k % hold_out == hold_out // 2]
        train = [k for k in range(len(names)) if k not in test]
    if not train:
        raise CommandError("no shape is left to train on; give another --split, or --hold-out 0")
    return train, test


def _of_file(names: Sequence[str], file: Path) -> tuple[list[int], list[int]]:
    """``{"train": [...], "test": [...]}``, either optional; or nested lists of names, which are trained on."""
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise CommandError(f"{file}: cannot be read as JSON ({error}); check the file") from error

    def numbers(value: Any) -> list[int]:
        return sorted({number_of("/".join(path), names, str(file)) for path in _leaves(value, file)})

    if not isinstance(told, dict) or not {"train", "test"} & set(told):
        train = numbers(told)
        return train, [k for k in range(len(names)) if k not in train]
    test = numbers(told.get("test", []))
    train = numbers(told["train"]) if "train" in told else [k for k in range(len(names)) if k not in test]
    if "test" not in told:
        test = [k for k in range(len(names)) if k not in train]
    both = sorted(set(train) & set(test))
    if both:
        raise CommandError(f"{file}: {names[both[0]]} is both trained on and held out; leave it in one list")
    return train, test


def _leaves(value: Any, file: Path, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names in nested dictionaries of lists, as paths of their keys: the form in which splits are published."""
    if isinstance(value, str):
        yield (*above, *value.split("/"))
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part, file, above)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, file, (*above, key))
    else:
        raise CommandError(f"{file}: {value!r} is not the name of a shape; a split holds names alone")


def number_of(name: str, names: Sequence[str], where: str) -> int:
    """Which of ``names`` is meant: by its path, with or without suffix, or by the end of it."""
    parts = name.split("/")
    for first in range(len(parts)):
        tail = "/".join(parts[first:])
        found = [k for k, known in enumerate(names) if _is(tail, known)]
        if len(found) == 1:
            return found[0]
        if found:
            raise CommandError(f"{where}: {name} can be {names[found[0]]} or {names[found[1]]}; say more of its path")
    raise CommandError(f"{where}: there is no shape {name}; there are {', '.join(names[:4])} ({len(names)} in all)")


def _is(tail: str, known: str) -> bool:
    bare = known.rsplit(".", 1)[0] if "." in known.rsplit("/", 1)[-1] else known
    return any(one == tail or one.endswith(f"/{tail}") for one in (known, bare))

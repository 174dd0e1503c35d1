"""The output folder of a command: filled aside and put in place at the end, so that no error leaves half of one."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from backend.commands.aside import PREFIX, Aside
from backend.commands.parser import CommandError

REPORT = "report.json"
LISTING = "pairs.json"


@dataclass(frozen=True)
class Kind:
    """What a command leaves in its folder."""

    marker: str  # the file that tells who wrote the folder
    ours: re.Pattern[str]  # names of its files
    result: str | None = None  # what the marker calls it, where several commands have a marker of that name


RESULT = Kind(
    REPORT,
    re.compile(
        r"(frame_\d{4,}\.ply|carry_.+_\d{4,}\.ply|(contact_sheet|difference_\d+)\.png"
        r"|morph\.(safetensors|glb)|report\.json)\Z"
    ),
)
MATCH = Kind(REPORT, re.compile(r"((map|points|confidence)\.npy|table\.npz|map\.png|report\.json)\Z"), "match")
FIELD = Kind(REPORT, re.compile(r"(field\.safetensors|surface\.ply|curve\.svg|picture\.png|report\.json)\Z"), "field")
DATASET = Kind(
    "dataset.json", re.compile(r"(.+_([XY](train(_on|_in|_out)?|test)|Nrml)\.npy|dataset\.json)\Z"), "dataset"
)
PREPARED = Kind(LISTING, re.compile(r"(table_\d{4,}_\d{4,}\.npy|pairs\.json)\Z"))


@contextmanager
def output_folder(out: Path, force: bool = False, kind: Kind = RESULT) -> Iterator[Path]:
    """A folder to write into. Its files are moved to ``out`` when the block ends well, and deleted otherwise.

    An earlier result in ``out`` is replaced, all its files; a folder with anything else in it is refused, unless
    ``force``, and then a file is only ever replaced by one of its own name.
    """
    check_output(out, force, kind=kind)
    with _gone_if_empty(_missing_parents(out)):
        aside = _make_aside(out)
        try:
            with naming_output(out):
                yield aside.folder
                _put_in_place(aside.folder, out, kind)
        finally:
            aside.remove()


@contextmanager
def made_folder(out: Path) -> Iterator[None]:
    """The folder ``out`` itself, made where there is none; an error that leaves it empty takes it away again."""
    with _gone_if_empty([] if out.is_dir() else [out.absolute(), *_missing_parents(out)]):
        with naming_output(out):
            out.mkdir(parents=True, exist_ok=True)
        yield


@contextmanager
def _gone_if_empty(folders: Sequence[Path]) -> Iterator[None]:
    """After an error those of the folders that are empty are removed, in order."""
    try:
        yield
    except BaseException:
        for folder in folders:
            _remove_if_empty(folder)
        raise


@contextmanager
def naming_output(out: Path) -> Iterator[None]:
    """A fault of the disk while a result is made is told of the place it is made for."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise CommandError(
            f"{out}: cannot be written ({reason}); free some space there, or choose another --out"
        ) from error


def check_output(out: Path, force: bool, reads: Sequence[Path] = (), kind: Kind = RESULT) -> None:
    """Raises ``CommandError`` if ``out`` is a file, or holds something that is not an earlier result.

    Also if it holds a file that the command ``reads`` and that the result would take the place of.
    """
    if out.exists() and not out.is_dir():
        raise CommandError(f"{out}: is a file; --out names a folder")
    for path in reads:
        if kind.ours.match(path.name) and path.parent.resolve() == out.resolve():
            raise CommandError(f"{path}: would be replaced by the result that is made from it; choose another --out")
    if force or not out.is_dir() or _is_earlier(out, kind):
        return
    if all(path.name.startswith(PREFIX) for path in out.iterdir()):
        return
    raise CommandError(
        f"{out}: the folder holds other files; choose a new folder, or add --force to put the result among them"
    )


def check_file(out: Path) -> None:
    """Raises ``CommandError`` unless a file can be written at ``out``."""
    home = out.absolute().parent
    if out.is_dir():
        raise CommandError(f"{out}: is a folder; --out names a file")
    if not home.is_dir():
        raise CommandError(f"{out.parent}: is not a folder; make it, or choose another --out")
    try:
        with NamedTemporaryFile(dir=home):
            pass
    except OSError as error:
        raise CommandError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error


def _is_earlier(folder: Path, kind: Kind) -> bool:
    try:
        report = json.loads((folder / kind.marker).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(report, dict) or report.get("result") != kind.result:
        return False
    return "tweenfield" in report.get("versions", {})


def _missing_parents(out: Path) -> list[Path]:
    """The folders above ``out`` that do not exist yet, the innermost first."""
    return [parent for parent in out.absolute().parents if not parent.exists()]


def _make_aside(out: Path) -> Aside:
    """A new folder on the same disk: inside ``out`` if that exists, beside it otherwise."""
    home = out if out.is_dir() else out.absolute().parent
    try:
        home.mkdir(parents=True, exist_ok=True)
        return Aside.new(home)
    except OSError as error:
        raise CommandError(f"{out}: no folder can be written there ({error.strerror}); choose another --out") from error


def _put_in_place(aside: Path, out: Path, kind: Kind) -> None:
    if not out.is_dir():
        aside.chmod(0o777 & ~_umask())
        aside.rename(out)
        return
    for old in out.iterdir() if _is_earlier(out, kind) else ():
        if kind.ours.match(old.name) and old.is_file():
            old.unlink()
    for new in aside.iterdir():
        new.replace(out / new.name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return

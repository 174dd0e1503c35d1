"""A trained morph from where commands and backends leave it: a result's folder, its file, or a job in a journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from backend.commands.parser import CommandError

if TYPE_CHECKING:
    from backend.methods.method import Morph

MORPH: Final = "morph.safetensors"
HELP: Final = "morph.safetensors of a result, the result's folder, or finished.bin of a job"


def morph_file(path: Path) -> Path:
    """The file with the morph: ``path`` itself, or the one in that folder."""
    return path / MORPH if path.is_dir() else path


def read_morph(path: Path) -> tuple[Morph, dict[str, Any]]:
    """The morph in a file and its facts. Raises ``CommandError``."""
    from backend.checkpoint import morph_from_bytes

    try:
        return morph_from_bytes(_trained(path))
    except OSError as error:
        raise CommandError(
            f"{path}: cannot be read ({error.strerror}); name the morph.safetensors of a result"
        ) from error
    except ValueError as error:
        raise CommandError(f"{path}: {error}; name the morph.safetensors of a result") from error


def _trained(path: Path) -> bytes:
    """The bytes of a trained morph: of a result, or of a job in a backend's journal."""
    from backend.service.journal import FINISHED
    from backend.service.parts_file import read_parts
    from protocol.messages import Finished
    from protocol.wire import decode

    if path.name != FINISHED:
        return path.read_bytes()
    finished = decode(read_parts(path))
    return finished.morph.tobytes() if isinstance(finished, Finished) else b""

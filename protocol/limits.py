"""Sizes both sides hold to, and ``WireError``, with which everything outside them is refused."""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """The largest message that is taken in. Bytes unless said otherwise."""

    header: int = 64 * KIB
    frame: int = 256 * MIB  # one array, in one ZeroMQ frame
    message: int = 1024 * MIB  # all frames of a message together
    document: int = MIB  # one packed document beside the header (method list, report)
    arrays: int = 4096  # arrays of a message
    items: int = 4096  # entries of one list or map; small, since msgpack sets memory aside for a list it is promised
    text: int = 16 * KIB  # one string
    depth: int = 8  # nesting of free-form values (reports)
    vertices: int = 2**24  # of one mesh
    faces: int = 2**25  # of one mesh


LIMITS = Limits()

# The socket's own guard cuts the line without a word, so it lies above ``Limits.frame``: what is only somewhat too
# large is still answered by an error message.
SOCKET_FRAME = 2 * LIMITS.frame


class WireError(ValueError):
    """A message that is refused. ``code`` is the code of the ``Error`` message to answer with."""

    def __init__(self, code: str, message: str, job: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.job = job  # of the refused message, where it could be read

"""``Polygons``: what a file parser hands over before it is checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.geometry.arrays import Float32, Float64, Int64

LARGEST_INDEX = 2.0**53  # beyond, float64 has gaps between whole numbers


class FormatError(Exception):
    """A file that breaks the rules of its format; the message completes "FILE: ..."."""


@dataclass(frozen=True, eq=False)
class Polygons:
    """Vertices, faces and lines as they stand in a file."""

    positions: Float64  # [V, 3]
    sizes: Int64  # [F], corners of each face
    indices: Int64  # [C]
    uv: Float32 | None = None  # [C, 2]
    color: Float32 | None = None  # [V, 4], red, green, blue, alpha in 0..1, as the file has them (usually sRGB)
    normals: Float64 | None = None  # [V, 3], of the vertices, of any length
    segments: Int64 | None = None  # [S, 2], lines between vertices

    def offsets(self) -> Int64:
        """First corner of each face, and the end [F + 1]."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.sizes)])


def numbers(tokens: list[bytes], what: str) -> Float64:
    """Tokens of a text file as float64; ``FormatError`` naming the first that is no number."""
    if not tokens:
        return np.zeros(0)
    try:
        return np.array(tokens).astype(np.float64)
    except ValueError:
        bad = next(token for token in tokens if not _is_number(token))
        raise FormatError(
            f"{what} {bad.decode(errors='replace')[:40]!r} is not a number; the file is damaged, export it again"
        ) from None


def whole_numbers(tokens: list[bytes], what: str) -> Int64:
    """Tokens of a text file as int64."""
    return whole(numbers(tokens, what), what)


def whole(values: NDArray[np.generic], what: str) -> Int64:
    """Numbers of a file as int64; ``FormatError`` unless all are whole and of a sensible size."""
    real = np.asarray(values, np.float64)
    if not (np.abs(real) < LARGEST_INDEX).all() or (real != np.round(real)).any():
        bad = real[~(np.abs(real) < LARGEST_INDEX) | (real != np.round(real))][0]
        raise FormatError(f"{what} {bad:g} is not a whole number in range; the file is damaged, export it again")
    return np.asarray(values).astype(np.int64)


def _is_number(token: bytes) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True

"""Point clouds as text: a line a point, its coordinates and perhaps its normal, apart by blanks or commas."""

from __future__ import annotations

import numpy as np

from backend.geometry.array_format import COLUMNS, shape_of_table
from backend.geometry.polygons import FormatError, numbers
from backend.geometry.shape import Shape

APART = bytes.maketrans(b",;\t", b"   ")


def parse_xyz(data: bytes) -> Shape:
    """Lines of 3 or 6 numbers, of 2 or 4 in the plane; a first line of words, or of their count, is passed over."""
    plain = data.removeprefix(b"\xef\xbb\xbf").translate(APART)
    rows = [words for line in plain.splitlines() if (words := line.split(b"#", 1)[0].split(b"//", 1)[0].split())]
    if rows and (len(rows[0]) == 1 or not _are_numbers(rows[0])):
        rows = rows[1:]
    if not rows:
        raise FormatError("there are no points in it; a line has the 2 or 3 coordinates of one")
    width = len(rows[0])
    if width not in COLUMNS:
        raise FormatError(
            f"its lines have {width} numbers; a point has 2 or 3 coordinates, or 4 or 6 numbers with its normal"
        )
    uneven = next((k for k, words in enumerate(rows) if len(words) != width), None)
    if uneven is not None:
        raise FormatError(
            f"point {uneven + 1} has {len(rows[uneven])} numbers, and the first {width}; the file is damaged or cut "
            "short, export it again"
        )
    table = numbers([word for words in rows for word in words], "coordinate").reshape(-1, width)
    return shape_of_table(table, "the list of points")


def _are_numbers(words: list[bytes]) -> bool:
    try:
        np.array(words).astype(np.float64)
    except ValueError:
        return False
    return True

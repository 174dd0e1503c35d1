"""Lines that an artist drew, as closed ones: strokes that end where others begin are joined. Needs numpy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # [N, 2], pixels
Numbers = NDArray[np.int32]
CLOSED = 0.1  # of a line's length: with its ends no further apart it is closed by itself


def closed_lines(strokes: Sequence[tuple[Points, bool]]) -> list[Points]:
    """Closed lines of strokes, each with whether it is closed. Of the others, the nearest ends are joined."""
    strokes = [(points, closed) for points, closed in strokes if len(points) > 1]
    done = [points for points, closed in strokes if closed or _gap(points) <= CLOSED * _length(points)]
    open_ones = [points for points, closed in strokes if not closed and _gap(points) > CLOSED * _length(points)]
    while open_ones:
        line = open_ones.pop(0)
        while open_ones:
            gaps = [min(_apart(line[-1], other[0]), _apart(line[-1], other[-1])) for other in open_ones]
            nearest = int(np.argmin(gaps))
            if gaps[nearest] >= _gap(line):
                break
            other = open_ones.pop(nearest)
            turned = _apart(line[-1], other[-1]) < _apart(line[-1], other[0])
            line = np.concatenate([line, other[::-1] if turned else other])
        done.append(line)
    return [line for line in done if len(line) > 2]


def chains(edges: Numbers) -> list[tuple[NDArray[np.int64], bool]]:
    """Edges [S, 2] between vertices as runs of vertices, each with whether it is closed; at forks a run ends."""
    ends: dict[int, list[int]] = {}
    for number, (a, b) in enumerate(edges.tolist()):
        ends.setdefault(a, []).append(number)
        ends.setdefault(b, []).append(number)
    used = np.zeros(len(edges), bool)
    starts = [vertex for vertex, found in ends.items() if len(found) != 2]
    runs = []
    for vertex in (*starts, *ends):  # what is left after those that have ends are rings
        for number in ends[vertex]:
            if not used[number]:
                runs.append(_run(edges, ends, used, vertex, number))
    return runs


def _run(
    edges: Numbers, ends: dict[int, list[int]], used: NDArray[np.bool_], first: int, number: int
) -> tuple[NDArray[np.int64], bool]:
    run = [first]
    while True:
        used[number] = True
        a, b = map(int, edges[number])
        run.append(b if run[-1] == a else a)
        onwards = [other for other in ends[run[-1]] if not used[other]]
        if len(ends[run[-1]]) != 2 or not onwards:
            break
        number = onwards[0]
    closed = len(run) > 2 and run[0] == run[-1]
    return np.array(run[:-1] if closed else run), closed


def _apart(a: Points, b: Points) -> float:
    return float(np.linalg.norm(a - b))


def _gap(points: Points) -> float:
    return _apart(points[0], points[-1])


def _length(points: Points) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())

"""Edges of a triangle list, by sorting: how often each is used, which are open, which run the same way twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Flags, Int64, Integers


@dataclass(frozen=True, eq=False)
class Edges:
    """The distinct undirected edges of a triangle list."""

    ends: Int64  # [E, 2], smaller vertex first
    uses: Int64  # [E], faces at the edge
    balance: Int64  # [E], uses from the smaller to the larger vertex, less those the other way

    @property
    def open(self) -> Flags:
        """Edges of one face [E]."""
        return np.asarray(self.uses == 1)

    @property
    def crowded(self) -> Flags:
        """Edges of three or more faces [E]."""
        return np.asarray(self.uses > 2)

    @property
    def inconsistent(self) -> Flags:
        """Edges whose two faces run along them in the same direction [E]."""
        return np.asarray((self.uses == 2) & (self.balance != 0))

    @property
    def closed(self) -> bool:
        """Whether every edge has exactly two faces."""
        return bool((self.uses == 2).all())


def edges_of(triangles: Integers) -> Edges:
    """The edges of ``triangles`` [T, 3]."""
    starts = np.asarray(triangles, np.int64).T.reshape(-1)  # [3 T]
    ends = np.asarray(triangles, np.int64)[:, [1, 2, 0]].T.reshape(-1)
    n = int(starts.max()) + 1 if len(starts) else 1
    forward = starts < ends
    keys = np.where(forward, starts, ends)
    keys *= n
    keys += np.where(forward, ends, starts)
    keys = 2 * keys + forward
    keys.sort()
    undirected, forward = keys >> 1, (keys & 1).astype(bool)
    first = np.flatnonzero(np.concatenate([np.ones(min(len(keys), 1), bool), undirected[1:] != undirected[:-1]]))
    uses = np.diff(np.append(first, len(keys)))
    ups = np.add.reduceat(forward.astype(np.int64), first) if len(first) else np.zeros(0, np.int64)
    pairs = undirected[first]
    return Edges(np.stack([pairs // n, pairs % n], axis=1), uses, 2 * ups - uses)

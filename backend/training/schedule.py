"""Learning rates over a training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """The learning rate of each update."""

    def rate(self, update: int, done: float) -> float:
        """``update`` counts from 0; ``done`` is the share of the training behind us, by steps or by time, 0..1."""
        ...


@dataclass(frozen=True)
class Halving:
    """Half the rate every so many updates, down to a floor: the schedule of INSD."""

    first: float = 1e-3
    every: int = 2000  # updates
    floor: float = 5e-6
    before: int = 0  # updates that an earlier training made
    warm_up: int = 0  # updates over which the rate rises to the first

    def rate(self, update: int, done: float) -> float:
        made = self.before + update
        return max(self.first * 0.5 ** (made // self.every), self.floor) * min((made + 1) / max(self.warm_up, 1), 1.0)


@dataclass(frozen=True)
class Cosine:
    """Up over a short warm-up, then down half a cosine; follows the clock when time is what ends the training."""

    first: float = 3e-3
    last: float = 1e-5
    warm_up: int = 20  # updates: Adam's first steps are as long as its later ones but point anywhere

    def rate(self, update: int, done: float) -> float:
        top = self.last + (self.first - self.last) * (1.0 + math.cos(math.pi * min(max(done, 0.0), 1.0))) / 2
        return top * min((update + 1) / max(self.warm_up, 1), 1.0)


def halved_by_epochs(first: float, epochs: int, epoch: int, floor: float, last: float = Cosine.last) -> Schedule:
    """Half the rate every so many epochs of ``epoch`` updates, down to a floor.

    Where these are 0 epochs, a cosine down to ``last``.
    """
    return Halving(first, epochs * epoch, floor) if epochs else Cosine(first, last)


@dataclass(frozen=True)
class Dropping:
    """One rate, and from a share of the training on another."""

    first: float
    after: float  # share of the training
    factor: float

    def rate(self, update: int, done: float) -> float:
        return self.first * (self.factor if done >= self.after else 1.0)

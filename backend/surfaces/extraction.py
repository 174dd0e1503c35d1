"""Makes the datasets: from a shape to the points a field is trained on."""

from __future__ import annotations

from dataclasses import dataclass

from backend.geometry.shape import Shape, UnitFrame
from backend.surfaces.dataset import Dataset
from backend.surfaces.known_shape import KnownShape
from backend.training.run import Run


@dataclass(frozen=True)
class Counts:
    """How many points a dataset has."""

    train: int = 50_000
    test: int = 12_000


STANDARD = Counts()


def known_shape(shape: Shape, run: Run) -> KnownShape:
    """What is known of a shape, in its unit frame. What the artist should know of it is told to the run."""
    raise NotImplementedError


def dataset_of(
    known: KnownShape, shape: Shape, mode: str, run: Run, counts: Counts = STANDARD, *, importance: bool = True
) -> Dataset:
    """The dataset of a mode, in memory."""
    raise NotImplementedError(UnitFrame)

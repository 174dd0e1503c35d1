"""What every method that keeps the topology does first: finds where the source's vertices land on the target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.landing import Landing, land
from backend.methods.method import Pair
from backend.training.run import Run


def landed(pair: Pair, run: Run) -> Pair:
    """The pair with its source surface posed on the target, if a correspondence is known."""
    if pair.correspondence is None:
        return pair
    with run.phase("matching"):
        landing = land(
            pair.source_surface.positions,
            pair.source_surface.triangles,
            pair.target_surface.positions,
            pair.target_surface.triangles,
            pair.correspondence,
            run.progress,
        )
    loose = int(np.count_nonzero(~landing.on_surface))
    if loose:
        run.warn(
            f"{loose} of {len(landing.on_surface)} source vertices have no counterpart on the target; "
            "they follow their neighbours"
        )
    return replace(pair, landing=landing)


def landing_of(pair: Pair) -> Landing:
    """The source surface posed on the target, relative to the source's origin."""
    if pair.landing is None:
        raise CorrespondenceError("this method needs to know which point goes where; give a table of vertex pairs")
    return pair.landing

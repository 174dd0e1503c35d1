"""What every method does first: finds where the source lands on the target, or at least how it lies over it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from backend.correspondence.alignment import coarse_alignment
from backend.correspondence.correspondence import Correspondence, CorrespondenceError
from backend.correspondence.coverage import uncovered_share
from backend.correspondence.landing import Landing, land
from backend.flow.co_moving import CoMoving
from backend.geometry.repair import WorkingMesh
from backend.methods.method import Pair
from backend.training.run import Run

UNCOVERED = 0.01  # share of the target's area that may be without a counterpart unsaid


def landed(pair: Pair, run: Run) -> Pair:
    """The pair with its source surface posed on the target, if a correspondence is known."""
    if pair.correspondence is None:
        return pair
    return replace(pair, landing=landing_on(pair.source_surface, pair.target_surface, pair.correspondence, run))


def landing_on(
    source: WorkingMesh, target: WorkingMesh, correspondence: Correspondence, run: Run, role: str = "target"
) -> Landing:
    """The source surface posed on another one, whose origin is the source's."""
    with run.phase("matching"):
        landing = land(
            source.positions, source.triangles, target.positions, target.triangles, correspondence, run.progress
        )
    loose = int(np.count_nonzero(~landing.on_surface))
    if loose:
        run.warn(
            f"{loose} of {len(landing.on_surface)} source vertices have no counterpart on the {role}; "
            "they follow their neighbours"
        )
    if role == "target":
        run.facts["unmatched_source_share"] = loose / len(landing.on_surface)
        missed = uncovered_share(target, landing.positions, source.triangles)
        run.facts["uncovered_target_share"] = missed
        if missed > UNCOVERED:
            run.warn(
                f"{missed:.1%} of the target's surface has no counterpart on the source; only frames with a surface "
                "of their own (topology remesh) can grow it"
            )
    return landing


def frame_of(pair: Pair, run: Run) -> CoMoving:
    """The similarity that the whole pair shares: of the landing or, where no match is known, of the two shapes."""
    source = pair.source_surface.positions
    if pair.landing is not None:
        return CoMoving.of(source, pair.landing.positions)
    with run.phase("aligning"):
        alignment = coarse_alignment(pair.source_surface, pair.target_surface, run.progress)
    return CoMoving.of(source, alignment.inverse().apply(source))


def landing_of(pair: Pair) -> Landing:
    """The source surface posed on the target, relative to the source's origin."""
    if pair.landing is None:
        raise CorrespondenceError("this method needs to know which point goes where; give a table of vertex pairs")
    return pair.landing

"""Whether a job is taken in: the record that it is entered under, or the reason why not."""

from __future__ import annotations

import time
from typing import Final

from backend.service.catalogue import Catalogue
from backend.service.journal import JobRecord, Journal
from protocol.limits import WireError
from protocol.messages import Bake, First, Match, Reconstruct, Refine, Submit, Surface

MAX_QUEUED: Final = 256  # jobs that have not ended
_KINDS: Final[dict[type, str]] = {
    Submit: "morph",
    Bake: "morph",
    Match: "match",
    Surface: "surface",
    Refine: "refine",
    Reconstruct: "reconstruct",
}
_WITH_MORPH: Final = ("morph", "refine")


def kind_of(message: First) -> str:
    """The kind of job that a message starts."""
    return _KINDS[type(message)]


def admitted(message: First, digest: str, waiting: int, journal: Journal, catalogue: Catalogue) -> JobRecord:
    """The record of a new job, while ``waiting`` others have not ended; ``WireError`` says why it is not taken."""
    if waiting >= MAX_QUEUED:
        raise WireError("busy", f"{waiting} jobs are waiting already; submit again when some of them are done")
    base = ""
    if isinstance(message, Bake):
        origin = _base(message.base, journal)
        base, device, total = origin.job, origin.device, message.timeline.frames
    elif isinstance(message, Refine):
        base = _base(message.base, journal).job
        device, total = message.request.device, message.request.timeline.frames
    else:
        device, total = message.request.device, _frames(message, catalogue)
    return JobRecord(message.job, digest, device, total, base=base, created=time.time(), kind=kind_of(message))


def _frames(message: Submit | Match | Surface | Reconstruct, catalogue: Catalogue) -> int:
    """How many frames a job will have, once its request fits what the backend can do."""
    if isinstance(message, Submit):
        catalogue.check(message.request)
        return message.request.timeline.frames
    if isinstance(message, Surface):
        catalogue.check_surface(message.request)
        return len(message.request.levels) + message.request.skeleton
    return 1 if isinstance(message, Reconstruct) else 0


def _base(name: str, journal: Journal) -> JobRecord:
    """The job that made the morph of job ``name``: of a bake, which has it from another, that other."""
    base = journal.records.get(name)
    if base is not None and base.kind == "morph" and base.base:
        base = journal.records.get(base.base)
    if base is None:
        raise WireError("unknown-job", f"the backend does not have job {name} any more; train it again")
    if base.kind not in _WITH_MORPH:
        raise WireError("unknown-job", f"job {name} is a {base.kind}, which has no morph; name the job of a morph")
    if base.state != "done":
        raise WireError("unknown-job", f"job {name} is {base.state}; only a job that is done has a morph")
    return base

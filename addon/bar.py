"""What the panel shows of a job: the progress bar, and the lines about its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .protocol.messages import Progress


@dataclass(frozen=True)
class Bar:
    text: str = ""
    fraction: float = 0.0


def progress_bar(message: Progress) -> Bar:
    parts = [message.phase.replace("_", " ").capitalize()]
    if message.total > 0:
        parts.append(f"{message.step} of {message.total}")
    if message.seconds_left is not None:
        parts.append(f"{_duration(message.seconds_left)} left")
    return Bar(", ".join(parts), message.step / message.total if message.total > 0 else 0.0)


def about(report: Mapping[str, Any]) -> list[str]:
    """What the backend's report says that the artist should know."""
    kinds = {"keep": "the source's own faces", "remesh": "new surfaces in every frame"}
    kind, reason = kinds.get(str(report.get("topology"))), report.get("topology_reason")
    topology = [f"Topology: {kind} ({reason})"] if kind and reason else []
    found = "matching" in report and report.get("correspondence")
    match = [f"Match: {sentence(str(found).replace('-', ' '))}"] if found else []
    return [*match, *map(sentence, map(str, report.get("said", ()))), *topology, *map(str, report.get("warnings", ()))]


def percent(share: float) -> str:
    """A share of 0..1 in words; only the whole is 100 %."""
    return f"{int(100 * share)} %"


def sentence(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

"""Correspondence: ``correspond`` on pairs whose truth is known, as a process of its own, with and without landmarks."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from backend.commands.bench.isometric import KnownPair, large_pair, near_isometric
from backend.commands.bench.pairs import BenchPair
from backend.commands.bench.proportions import of_other_proportions
from backend.commands.bench.table import Figure, markdown_table, number
from backend.commands.parser import CommandError
from backend.environment import environment
from backend.geometry.io import write_ply
from backend.geometry.sampling import farthest_points

LANDMARKS: Final = 5
SPREAD: Final = (5, 10, 20)  # landmarks on shapes of other proportions
REACHES: Final = {0: 2.5, LANDMARKS: 2.0}  # error, by the number of landmarks
HEADINGS: Final = (
    "pair", "vertices", "way", "error", f"with {LANDMARKS} landmarks", "off by over 10", "of them in the lowest fifth",
    "doubts told", "energy", "of the second map", "seconds", "CPU seconds", "peak MB",
)  # fmt: skip


@dataclass(frozen=True)
class Matched:
    """What ``correspond`` reported of a pair."""

    pair: KnownPair
    reports: dict[int, dict[str, Any]]  # by the number of landmarks

    def error(self, landmarks: int) -> float | None:
        """Mean, in hundredths of the square root of the area."""
        found: float | None = self.reports[landmarks]["truth"]["mean_geodesic_error_x100"]
        return found


def measure_correspondence(pairs: Sequence[BenchPair], note: Callable[[str], None]) -> str:
    """The section of the document."""

    def matched(name: str, pair: KnownPair, counts: Iterable[int]) -> Matched:
        note(f"{name}: matching")
        return Matched(pair, {count: _match(pair, count) for count in counts})

    known = list(near_isometric(pairs))
    found = [matched(pair.name, pair, REACHES) for pair in known]
    grown = [matched(pair.name, pair, SPREAD) for pair in of_other_proportions(known)]
    large = large_pair(pairs)
    return correspondence_table(found, grown, None if large is None else matched("50,000 vertices", large, (0,)))


def _match(pair: KnownPair, landmarks: int) -> dict[str, Any]:
    """The report of one match."""
    with tempfile.TemporaryDirectory(prefix="tweenfield-bench-") as name:
        folder = Path(name)
        write_ply(folder / "source.ply", pair.source)
        write_ply(folder / "target.ply", pair.target)
        np.save(folder / "truth.npy", pair.truth.astype(np.int32))
        command = ["correspond", *(str(folder / end) for end in ("source.ply", "target.ply"))]
        command += ["--out", str(folder / "out"), "--truth", str(folder / "truth.npy"), "--device", "cpu"]
        if landmarks:
            picked = pair.truth[farthest_points(pair.source.positions()[pair.truth[:, 0]], landmarks)]
            (folder / "picked.json").write_text(json.dumps({"pairs": picked.tolist()}), encoding="utf-8")
            command += ["--landmarks", str(folder / "picked.json")]
        ended = subprocess.run(
            [sys.executable, "-m", "backend", *command], env=environment(), capture_output=True, text=True, check=False
        )
        if ended.returncode != 0:
            raise CommandError(f"{pair.name}: {ended.stderr.strip().splitlines()[-1]}")
        report: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    return report


def correspondence_table(found: Sequence[Matched], grown: Sequence[Matched], large: Matched | None) -> str:
    """The section, from what was measured."""
    text = (
        "`correspond SOURCE TARGET`, method auto, on the processor. One shape in two poses on meshes that share no "
        "vertex. Errors are geodesic distances on the target in hundredths of the square root of its area, means of "
        f"400 known pairs; landmarks are {LANDMARKS} of these, far from each other. The columns from `off by over 10` "
        "to the right are of the match without landmarks: the share of the pairs that are led to another part of the "
        "shape, how much of that the fifth with the lowest confidence holds, and whether the artist is told of a doubt."
    )
    lines = ["## Correspondence", "", text, "", markdown_table(HEADINGS, [_row(one) for one in found]), ""]
    lines += [markdown_table(("what", "measured", "to reach"), _figures(found, large)), ""]
    text = (
        "Shapes of other proportions, in another pose and on another mesh: the same error, method auto, by the number "
        "of landmarks; to reach with 10: 4.5. The last columns are of the match with 10."
    )
    headings = ["pair", "vertices", *(str(count) for count in SPREAD), *HEADINGS[5:7], "way", *HEADINGS[-3:]]
    return "\n".join([*lines, text, "", markdown_table(headings, [_grown_row(one) for one in grown])])


def _grown_row(one: Matched) -> list[str]:
    report = one.reports[SPREAD[1]]
    return [
        one.pair.name,
        _vertices(one.pair),
        *(number(one.error(count)) for count in SPREAD),
        *_doubted(report["truth"]),
        report["way"],
        *_costs(report),
    ]


def _row(one: Matched) -> list[str]:
    report = one.reports[0]
    facts = report["facts"]
    return [
        one.pair.name,
        _vertices(one.pair),
        report["way"],
        *(number(one.error(count)) for count in REACHES),
        *_doubted(report["truth"]),
        "yes" if report["said"] else "no",
        number(facts.get("map_energy")),
        number(facts.get("runner_up_energy")),
        *_costs(report),
    ]


def _vertices(pair: KnownPair) -> str:
    return f"{pair.source.n_vertices} to {pair.target.n_vertices}"


def _doubted(truth: dict[str, Any]) -> list[str]:
    """The share that is led elsewhere, and how much of that the confidence tells."""
    wrong, held = truth["share_over_0.1"], truth["of_those_in_lowest_fifth_of_confidence"]
    return ["" if wrong is None else f"{wrong:.1%}", "" if held is None else f"{held:.0%}"]


def _costs(report: dict[str, Any]) -> list[str]:
    return [
        f"{report['seconds']:.1f}",
        f"{report['cpu_seconds']:.1f}",
        f"{report['peak_memory_bytes'] / 1e6:.0f}",
    ]


def _figures(found: Sequence[Matched], large: Matched | None) -> list[list[str]]:
    figures = []
    for count, reach in REACHES.items():
        errors = [error for one in found if (error := one.error(count)) is not None]
        good = sum(error < reach for error in errors)
        what = f"pairs with an error under {reach}, {count or 'no'} landmarks"
        figures.append(Figure(what, f"{good} of {len(found)}", "9 of 10" if count == 0 else "all"))
    swapped = sum((one.error(0) or 0.0) >= 10.0 and not one.reports[0]["said"] for one in found)
    figures.append(Figure("matches with an error of 10 or more of which no doubt is told", str(swapped), "0"))
    slowest = max((one.reports[0]["seconds"] for one in found), default=0.0)
    figures.append(Figure("the longest of these matches", f"{slowest:.1f} s", "15 s"))
    if large is not None:
        report, pair = large.reports[0], large.pair
        sizes = f"{pair.source.n_vertices:,} and {pair.target.n_vertices:,} vertices"
        value = f"{report['seconds']:.0f} s ({report['cpu_seconds']:.0f} CPU s), error {number(large.error(0))}"
        figures.append(Figure(f"{sizes}: time", value, "120 s"))
        figures.append(Figure(f"{sizes}: peak memory", f"{report['peak_memory_bytes'] / 1e9:.2f} GB", "4 GB"))
    return [[figure.what, figure.value, figure.reach] for figure in figures]

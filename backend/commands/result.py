"""What a job leaves in its folder: frames, carried objects, a picture, the trained morph and the report."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from backend.commands.interrupt import Interrupt
from backend.commands.output import REPORT
from backend.commands.progress import Progress
from backend.evaluation.contact_sheet import contact_sheet
from backend.evaluation.evaluate import evaluate
from backend.evaluation.report import write_report
from backend.geometry.io import write_ply
from backend.memory import peak_memory
from protocol.mesh import MeshData
from protocol.messages import Timeline

if TYPE_CHECKING:
    from backend.methods.method import Morph

MEASURED_VERTICES: Final = 8_000_000  # vertices of all frames that are kept for measuring, at most
SHEET: Final = "contact_sheet.png"
GLTF_FRAMES_PER_SECOND: Final = 24.0


@dataclass(eq=False)
class ResultFolder:
    """Writes the frames of one job as they come, and keeps those that the picture and the measures need."""

    folder: Path
    frames: int  # that will come
    carry_names: tuple[str, ...] = ()
    keep_all: bool = False
    written: int = 0
    empty: list[int] = field(default_factory=list)  # frames without a surface
    kept: list[tuple[float, MeshData]] = field(default_factory=list)
    phases: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, moment: float, mesh: MeshData, carried: Sequence[MeshData]) -> None:
        """Writes the next frame and the objects that ride along."""
        write_ply(self.folder / f"frame_{self.written:04d}.ply", mesh)
        for name, other in zip(self.carry_names, carried, strict=True):
            write_ply(self.folder / f"carry_{name}_{self.written:04d}.ply", other)
        if not mesh.n_faces:
            self.empty.append(self.written)
        if self.keep_all or self.written in self._measured(mesh.n_vertices):
            self.kept.append((moment, mesh))
        self.written += 1

    def _measured(self, n_vertices: int) -> set[int]:
        count = min(max(MEASURED_VERTICES // max(n_vertices, 1), 3), self.frames)
        return {round(k) for k in np.linspace(0, self.frames - 1, count)}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Times a part of the work for the report."""
        wall, cpu = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            self.phases[name] = {"seconds": time.monotonic() - wall, "cpu_seconds": time.process_time() - cpu}

    def measure(self, job: Job) -> dict[str, Any]:
        """The metrics of the kept frames, from the source to the target."""
        ordered = sorted(self.kept, key=lambda entry: entry[0])
        times = [moment for moment, _ in ordered]
        carried = None if job.morph is None else job.morph.carries(job.source.positions(), times)
        meshes = [mesh for _, mesh in ordered]
        return evaluate(meshes, job.source, job.target, job.pairs, times=times, carried=carried)

    def draw(self) -> None:
        """The contact sheet: some of the kept frames side by side."""
        contact_sheet([mesh for _, mesh in self.kept], [moment for moment, _ in self.kept], self.folder / SHEET)

    def warnings(self) -> list[str]:
        """What is wrong with the frames."""
        if not self.empty:
            return []
        return [
            f"{len(self.empty)} of {self.written} frames are empty, the first is {self.empty[0]}: the training was too "
            "short, or the shape is too thin; train for longer (--seconds, or a preset with more steps), or raise "
            "--resolution"
        ]

    def write_gltf(self) -> None:
        """All frames as one file with morph targets; they must have been kept."""
        from backend.export.gltf import write_morph_gltf

        write_morph_gltf(self.folder / "morph.glb", [mesh for _, mesh in self.kept], GLTF_FRAMES_PER_SECOND)

    def with_gltf(self, report: dict[str, Any]) -> dict[str, Any]:
        """Writes morph.glb; frames that do not fit into one are a warning of the report."""
        try:
            self.write_gltf()
        except ValueError as error:
            return {**report, "warnings": [*report["warnings"], f"morph.glb was not written: {error}"]}
        return report


@dataclass(frozen=True, eq=False)
class Job:
    """What the report is measured against, and how the job ended."""

    source: MeshData
    target: MeshData
    pairs: NDArray[np.integer[Any]] | None  # [K, 2] source and target vertex, where they are known
    timeline: Timeline
    interrupted: str | None = None  # the part of the work that Ctrl-C ended: training, baking
    morph: Morph | None = None  # where the faces change: what says how the source is carried


def finish(
    result: ResultFolder, job: Job, report: dict[str, Any], progress: Progress, interrupt: Interrupt
) -> dict[str, Any]:
    """Measures, draws and writes the report. A job that was stopped while baking is reported, but not measured."""
    interrupted = job.interrupted
    metrics: dict[str, Any] | None = None
    if interrupted != "baking":
        progress("measuring")
        interrupt.next_part(at_once=True)
        try:
            with result.phase("measuring"):
                metrics = result.measure(job)
        except KeyboardInterrupt:
            interrupted = "measuring"
        interrupt.next_part()
    progress("drawing")
    with result.phase("drawing"):
        result.draw()
    return complete_report(result, job.timeline, report, interrupted, metrics)


def complete_report(
    result: ResultFolder,
    timeline: Timeline,
    report: dict[str, Any],
    interrupted: str | None,
    metrics: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes the report, with what is only known now. A morph that was only baked has no metrics."""
    complete = {
        **report,
        "warnings": [*report["warnings"], *result.warnings()],
        "timeline": asdict(timeline),
        "frames": result.written,
        "interrupted": interrupted,
        "phases": {**report.get("phases", {}), **result.phases},
        "peak_memory_bytes": max(report.get("peak_memory_bytes", 0), peak_memory()),
        "metrics": metrics,
    }
    write_report(result.folder / REPORT, complete)
    return complete


def vertex_order(source: MeshData) -> NDArray[np.int32]:
    """The pairs [V, 2] of meshes that share their vertex order."""
    return np.repeat(np.arange(source.n_vertices, dtype=np.int32)[:, None], 2, axis=1)


def carry_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """A name without surprises for every carried file, each different."""
    names: list[str] = []
    for path in paths:
        stem = re.sub(r"[^A-Za-z0-9-]+", "_", path.stem).strip("_") or "object"
        same = sum(name == stem or name.startswith(f"{stem}-") for name in names)
        names.append(f"{stem}-{same + 1}" if same else stem)
    return tuple(names)

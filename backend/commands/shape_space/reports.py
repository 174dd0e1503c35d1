"""The folder that a task leaves, and what its report says in any case."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands.interrupt import Interrupt
from backend.commands.output import REPORT, Kind, check_output, output_folder
from backend.commands.progress import Progress

if TYPE_CHECKING:
    from backend.surfaces.space.model import ShapeSpace
    from backend.training.run import Run

SPACE_RESULT = Kind(
    REPORT,
    re.compile(
        r"((frame|sample)_\d{4,}\.ply|surface\.ply|field\.safetensors|codes?\.npy|contact_sheet\.png|report\.json)\Z"
    ),
    "shape space",
)


@dataclass
class Task:
    """A task at work: the space, what watches it, the folder it fills and the report it fills in."""

    space: ShapeSpace
    work: Run
    folder: Path
    report: dict[str, Any] = field(default_factory=dict)


@contextmanager
def at_work(arguments: argparse.Namespace, reads: list[Path]) -> Iterator[Task]:
    """Everything around a task; its folder is put in place at the end, with the report."""
    from backend.commands.shape_space.places import space_at
    from backend.evaluation.report import write_report
    from backend.pipeline import versions
    from backend.training.run import Cancelled, Run

    check_output(arguments.out, arguments.force, reads, SPACE_RESULT)
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        progress("starting")
        space = space_at(arguments)
        device = next(space.network.parameters()).device
        work = Run(device, arguments.seed, on_progress=progress, cancelled=lambda: interrupt.asked)
        started, cpu = time.monotonic(), time.process_time()
        try:
            with output_folder(arguments.out, arguments.force, SPACE_RESULT) as folder:
                task = Task(space, work, folder)
                yield task
                whole = {
                    "result": SPACE_RESULT.result,
                    "versions": versions(),
                    "task": arguments.task,
                    "model": str(arguments.model),
                    "checkpoint": arguments.checkpoint,
                    "seed": arguments.seed,
                    **task.report,
                    "seconds": time.monotonic() - started,
                    "cpu_seconds": time.process_time() - cpu,
                    "device": str(device),
                }
                write_report(folder / REPORT, whole)
                interrupt.next_part()  # from here on all of it is put in place
        except Cancelled:
            raise KeyboardInterrupt from None

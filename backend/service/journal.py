"""The journal: every job on disk, so that a restarted server knows its jobs and their streams go on.

One folder a job: ``job.json`` (what happened), ``request.bin`` (the message that started it, as it came), of a Refine
``origin.bin`` (the Submit that the morph goes back to, which may be deleted before), ``finished.bin`` (report and
trained morph or field, written when the training ends, before the first frame is sent; or the Matched message),
``frame-000000.bin`` … (each the Frame message as it is sent) and, while it trains, the newest ``preview-000001.bin``.
The worker process writes the results, the server only reads them: what is streamed is what is on disk, whoever was
killed in between.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from backend.file_lock import InUse, lock
from backend.service.parts_file import Buffer, read_parts, write_parts, write_whole
from protocol.states import State

REQUEST: Final = "request.bin"
ORIGIN: Final = "origin.bin"
FINISHED: Final = "finished.bin"
_RECORD: Final = "job.json"
_PREFIX: Final = "job-"  # in front of the id, since some ids are not legal file names on Windows


class JournalInUse(Exception):
    """Another server uses this journal."""


@dataclass(frozen=True)
class JournalLimits:
    """When ended jobs are deleted, the oldest first."""

    bytes: int = 4 << 30  # of all jobs together
    seconds: float = 14 * 86400.0  # since the job ended
    jobs: int = 500


@dataclass(frozen=True)
class Failure:
    """Why a job failed: the fields of an Error message."""

    code: str
    message: str
    detail: str = ""
    retryable: bool = False


@dataclass(frozen=True)
class JobRecord:
    """What is known of a job apart from its results."""

    job: str
    digest: str  # of the request, so that the same id with another content is noticed
    device: str  # as asked for: auto, cpu, ...
    total_frames: int  # 0 of a match
    state: State = "queued"
    base: str = ""  # the job whose morph is baked or refined; empty: this one makes its own
    created: float = 0.0  # seconds since the epoch
    ended: float = 0.0
    attempts: int = 0  # how often a worker began it
    hurry: bool = False  # its training shall end, or not begin
    failure: Failure | None = None
    kind: str = "morph"  # or match, surface, refine, reconstruct

    @property
    def trains(self) -> bool:
        """Whether it works for minutes, with an end that can be asked for, before it has anything to send."""
        return self.kind == "refine" or (self.kind != "match" and not self.base)


def frame_name(seq: int) -> str:
    """The file of one frame."""
    return f"frame-{seq:06d}.bin"


def preview_name(revision: int) -> str:
    """The file of one preview. Each has its own, since Windows replaces no file that is being read."""
    return f"preview-{revision:06d}.bin"


def frames_there(folder: Path) -> int:
    """How many frames, without a gap, a job's folder holds."""
    there = {path.name for path in folder.glob("frame-*.bin")}
    count = 0
    while frame_name(count) in there:
        count += 1
    return count


class Journal:
    """The jobs of one server. Locked while it is open: one folder belongs to one server."""

    def __init__(self, folder: Path, limits: JournalLimits | None = None) -> None:
        self.folder = folder
        self.limits = limits or JournalLimits()
        self.records: dict[str, JobRecord] = {}
        self._sizes: dict[str, int] = {}  # bytes of the ended jobs, once they were needed
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._lock = lock(folder / "lock")
        except InUse as error:
            raise JournalInUse(f"the journal {folder} is in use by another backend; give --journal another") from error
        self._load()
        self.prune()

    def close(self) -> None:
        """Lets another server have the folder."""
        self._lock.close()

    def path(self, job: str) -> Path:
        """The folder of a job."""
        return self.folder / (_PREFIX + job)

    def create(self, record: JobRecord, request: Sequence[Buffer]) -> None:
        """Enters a job. An ``OSError`` (a full disk) leaves nothing behind."""
        folder = self.path(record.job)
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            write_parts(folder / REQUEST, request)
            self._save(record)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self.records[record.job] = record

    def update(self, job: str, **changes: Any) -> JobRecord:
        """Changes a job's record. A record that cannot be written (a full disk) still holds while the server lives."""
        record = dataclasses.replace(self.records[job], **changes)
        self.records[job] = record
        with contextlib.suppress(OSError):
            self._save(record)
        return record

    def drop_results(self, job: str) -> None:
        """Deletes all of a job but its record."""
        for path in self._files(job):
            if path.name != _RECORD:
                with contextlib.suppress(OSError):  # still open in a worker (Windows): pruning takes it later
                    path.unlink()

    def frame(self, job: str, seq: int) -> list[memoryview]:
        """The frames on the wire of one baked frame. ``OSError`` or ``ValueError`` if it cannot be read."""
        return read_parts(self.path(job) / frame_name(seq))

    def finished(self, job: str) -> list[memoryview]:
        """The Finished message of a job, or Matched."""
        return read_parts(self.path(job) / FINISHED)

    def preview(self, job: str, revision: int) -> list[memoryview]:
        """The Preview message of a job that trains."""
        return read_parts(self.path(job) / preview_name(revision))

    def prune(self, keep: Collection[str] = ()) -> list[str]:
        """Deletes jobs beyond the limits, of the ended ones the oldest first, but none of ``keep`` and no morph
        that waits to be baked; returns their ids."""
        now = time.time()
        needed = {record.base for record in self.records.values() if not record.ended}.union(keep)
        ended = sorted((r for r in self.records.values() if r.ended), key=lambda r: r.ended)
        for record in ended:
            if record.job not in self._sizes:
                self._sizes[record.job] = self._size(record.job)
        total = sum(self._sizes.values())
        dropped = []
        for record in list(self.records.values()):
            if not record.ended and now - record.created > self.limits.seconds and record.job not in keep:
                self.remove(record.job)  # interrupted long ago, and nobody has asked for it since
                dropped.append(record.job)
        for record in ended:
            old = now - record.ended > self.limits.seconds
            if not old and total <= self.limits.bytes and len(self.records) <= self.limits.jobs:
                break
            if record.job not in needed:
                total -= self._sizes[record.job]
                self.remove(record.job)
                dropped.append(record.job)
        return dropped

    def remove(self, job: str) -> None:
        """Deletes a job and everything of it."""
        shutil.rmtree(self.path(job), ignore_errors=True)
        self.records.pop(job, None)
        self._sizes.pop(job, None)

    def _size(self, job: str) -> int:
        size = 0
        for path in self._files(job):
            with contextlib.suppress(OSError):  # a worker may still be clearing up
                size += path.stat().st_size
        return size

    def _files(self, job: str) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            yield from [path for path in self.path(job).iterdir() if path.is_file()]

    def _save(self, record: JobRecord) -> None:
        text = json.dumps(dataclasses.asdict(record), indent=1)
        write_whole(self.path(record.job) / _RECORD, [memoryview(text.encode())])

    def _load(self) -> None:
        """Reads the records; a folder without a readable one is what a killed server was just making, and goes."""
        for folder in self.folder.glob(_PREFIX + "*"):
            try:
                record = _record(json.loads((folder / _RECORD).read_text()))
            except (OSError, ValueError, TypeError, KeyError):
                shutil.rmtree(folder, ignore_errors=True)
                continue
            self.records[record.job] = record
            for part in folder.glob("*.part"):
                part.unlink(missing_ok=True)
            if record.state in ("failed", "cancelled"):
                self.drop_results(record.job)


def _record(values: dict[str, Any]) -> JobRecord:
    failure = values.pop("failure")
    return JobRecord(**values, failure=None if failure is None else Failure(**failure))

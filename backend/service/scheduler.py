"""The queue and its workers: which job runs where, what becomes of it, and what happens to a worker that fails it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from backend.service import faults
from backend.service.journal import Failure, JobRecord, Journal
from backend.service.link import Begin, Ended, FramesMade, FromWorker, Hurry, PreviewMade, Ready, Step, Stop
from backend.service.parts_file import Buffer
from backend.service.pool import Pool, Slot
from protocol.messages import Progress
from protocol.states import AFTER_RESTART, State, change, is_terminal, on_cancel

MAX_ATTEMPTS: Final = 3  # begun this often without an end, a job is not begun again
_RECYCLE: Final = frozenset({"internal", "out-of-memory"})  # after these a worker is not trusted with another job


class Listener(Protocol):
    """Whom the scheduler tells of its jobs: the desk."""

    def job_changed(self, record: JobRecord) -> None: ...

    def job_progress(self, progress: Progress) -> None: ...

    def job_frames(self, job: str, count: int) -> None: ...

    def job_preview(self, job: str, revision: int) -> None: ...

    def catalogue_known(self, catalogue: Sequence[bytes]) -> None: ...

    def no_worker(self, reason: str) -> None: ...


@dataclass(frozen=True)
class Patience:
    """How long the scheduler waits, in seconds."""

    cancel: float = 0.3  # for a worker to stop by itself, before the job counts as cancelled without it
    relieve: float = 2.0  # for that worker to come back, before a successor is started beside it
    drain: float = 60.0  # for that worker to come back, before it is killed without a successor
    hang: float = 5.0  # without a beat and without using the processor
    stall: float = 900.0  # without a step of the job; one long step of a huge mesh is legitimate
    start: float = 300.0  # for a worker to become ready


class Scheduler:
    """Runs the journal's jobs on the pool's workers. Everything happens in the server's thread."""

    def __init__(self, journal: Journal, pool: Pool, listener: Listener, patience: Patience) -> None:
        self._journal = journal
        self._pool = pool
        self._listener = listener
        self._patience = patience
        self._queue: list[str] = []
        self._told = 0.0
        for job, record in list(journal.records.items()):
            state = AFTER_RESTART[record.state]
            if state != record.state:
                ended = time.time() if is_terminal(state) else 0.0
                journal.update(job, state=state, ended=ended)

    def submit(self, record: JobRecord, request: Sequence[Buffer]) -> None:
        """Enters a new job and queues it. An ``OSError`` means that it could not be kept."""
        self._journal.create(record, request)
        self._listener.job_changed(record)
        self.revive(record.job)

    def revive(self, job: str) -> None:
        """Queues a job that waits in the journal: a new one, or one that an earlier server was killed over.

        The latter only when its client asks for it; nobody wants the work of a client that never comes back.
        """
        if self._journal.records[job].state != "queued" or job in self._queue:
            return
        self._queue.append(job)
        self._dispatch()
        if job in self._queue:
            self._tell_waiting([job])

    def cancel(self, job: str) -> None:
        """Asks for the end of a job. Its state says so at once; in a state that is final nothing happens."""
        record = self._journal.records[job]
        state = on_cancel(record.state)
        if state == record.state:
            return
        if state == "cancelled":
            if job in self._queue:
                self._queue.remove(job)
            self._end(job, "cancelled")
            return
        self._set(job, state)
        slot = self._pool.running(job)
        if slot is not None:
            slot.process.send(Stop(job))
            slot.cancel_at = time.monotonic() + self._patience.cancel
        elif job in self._queue:  # it waits for another worker
            self._queue.remove(job)
            self._end(job, "cancelled")

    def finish(self, job: str) -> None:
        """Asks for the end of a job's training. One that waits is not trained when its turn comes."""
        record = self._journal.records[job]
        if record.hurry or not record.trains or is_terminal(record.state):
            return
        self._journal.update(job, hurry=True)
        slot = self._pool.running(job)
        if slot is not None:
            slot.process.send(Hurry(job))

    def on_worker(self, number: int, message: FromWorker | None) -> None:
        """Takes in what a worker said; None: its link closed."""
        slot = self._pool.slots.get(number)
        if slot is None:
            return
        slot.heard = time.monotonic()
        if message is None:
            self._lost(slot)
        elif isinstance(message, Ready):
            self._pool.ready(slot, message.catalogue)
            self._keep(slot)
            self._listener.catalogue_known(message.catalogue)
        elif isinstance(message, Ended) and message.job == slot.job:
            self._ended(slot, message)
        elif isinstance(message, Step) and message.job == slot.job:
            slot.stepped, slot.begun = slot.heard, True
            if slot.abandoned_at is None:
                self._listener.job_progress(_progress(message))
        elif isinstance(message, FramesMade) and message.job == slot.job and slot.abandoned_at is None:
            self._listener.job_frames(message.job, message.count)
        elif isinstance(message, PreviewMade) and message.job == slot.job and slot.abandoned_at is None:
            self._listener.job_preview(message.job, message.revision)
        self._dispatch()

    def tick(self, now: float) -> None:
        """Whatever is due: cancellations, hung workers, dead ones to replace, waiting jobs to speak of."""
        for slot in list(self._pool.slots.values()):
            if slot.cancel_at is not None and now >= slot.cancel_at and slot.abandoned_at is None:
                slot.abandoned_at = now
                self._end(slot.job, "cancelled")
            waited = 0.0 if slot.abandoned_at is None else now - slot.abandoned_at
            slot.leaving |= waited >= self._patience.relieve
            if waited >= self._patience.drain:
                self._dismiss(slot)
            elif (reason := self._hung(slot, now)) is not None:
                self._dismiss(slot)
                self._fail(slot, reason)
        self._pool.tick()
        self._dispatch()
        if now - self._told >= 0.5:
            self._told = now
            self._tell_waiting(self._queue)

    def next_due(self) -> float | None:
        """The monotonic time at which ``tick`` has a cancellation to finish, if any."""
        slots = [slot for slot in self._pool.slots.values() if slot.abandoned_at is None]
        return min((slot.cancel_at for slot in slots if slot.cancel_at is not None), default=None)

    def active(self) -> list[str]:
        """The jobs that are under way or wait for a worker."""
        return [*self._queue, *(slot.job for slot in self._pool.slots.values() if slot.job)]

    def cancel_all(self) -> None:
        """Cancels what runs and what is queued, for good."""
        for job in self.active():
            self.cancel(job)

    def _dispatch(self) -> None:
        # Baking and matching take seconds where training takes minutes, so they go first.
        for job in sorted(self._queue, key=lambda job: self._journal.records[job].trains):
            record = self._journal.records[job]
            if not self._pool.has(record.device):
                self._queue.remove(job)
                self._end(job, "failed", self._no_device(record.device))
                continue
            slot = self._pool.take(record.device)
            if slot is None:
                continue
            self._queue.remove(job)
            if record.attempts >= MAX_ATTEMPTS:
                self._end(job, "failed", faults.worker_died(f"{record.attempts} times", ""))
                continue
            self._journal.update(job, attempts=record.attempts + 1)
            if record.state == "queued":
                self._set(job, "running")
            slot.begin(job)
            base = str(self._journal.path(record.base)) if record.base else ""
            slot.process.send(Begin(job, str(self._journal.path(job)), base, record.hurry))

    def _tell_waiting(self, jobs: Sequence[str]) -> None:
        for job in jobs:
            record = self._journal.records[job]
            starting = self._pool.starting(record.device)
            phase = "starting worker" if starting else "waiting for other jobs"
            elapsed = max(time.time() - record.created, 0.0)
            self._listener.job_progress(Progress(job, phase, 0, 0, None, elapsed, None))

    def _ended(self, slot: Slot, message: Ended) -> None:
        abandoned = slot.abandoned_at is not None
        slot.end()
        if abandoned:
            self._keep(slot)
            self._journal.drop_results(message.job)  # what it wrote after the job was cancelled
        else:
            failure = None
            if message.state == "failed":
                failure = Failure(message.code, message.message, message.detail, message.retryable)
            state: State = "done" if message.state == "done" else "cancelled" if failure is None else "failed"
            self._end(message.job, state, failure)
        if message.code in _RECYCLE:
            self._pool.remove(slot)

    def _keep(self, slot: Slot) -> None:
        """Of a worker that did not stop and its successor, the one that can work first stays."""
        slot.leaving = False
        for rival in self._pool.rivals(slot):
            self._dismiss(rival)

    def _dismiss(self, slot: Slot) -> None:
        """Kills a worker that nothing more is expected of."""
        self._pool.remove(slot)
        slot.process.wait(0.1)  # so that it writes nothing more into the job's folder
        if slot.abandoned_at is not None:
            self._journal.drop_results(slot.job)  # what it wrote after the job was cancelled

    def _lost(self, slot: Slot) -> None:
        """A worker's link has closed: the process is dead or about to be."""
        reason, log = slot.process.end_reason(), slot.process.log_tail()
        self._fail(slot, faults.worker_died(reason, log))
        self._pool.remove(slot)
        if not slot.ready and self._pool.start_failed():
            last = log.strip().splitlines()[-1:]
            self._listener.no_worker(f"{reason}: {last[0]}" if last else reason)
            for job in self._queue[:]:
                self._queue.remove(job)
                self._end(job, "failed", faults.worker_died(f"it could not be started: {reason}", log))

    def _hung(self, slot: Slot, now: float) -> Failure | None:
        # While libraries are loaded from a slow disk, neither a beat nor processor time need be seen for a while.
        hang = self._patience.hang * (1.0 if slot.ready else 4.0)
        if now - slot.alive(now) > hang:
            return faults.worker_hung(hang, slot.process.log_tail())
        if not slot.ready and now - slot.started > self._patience.start:
            return faults.worker_hung(self._patience.start, slot.process.log_tail())
        if slot.job and now - slot.stepped > self._patience.stall:
            return faults.worker_hung(self._patience.stall, slot.process.log_tail())
        return None

    def _fail(self, slot: Slot, failure: Failure) -> None:
        job = slot.job
        if not job or slot.abandoned_at is not None:  # no job, or one that is cancelled already
            return
        slot.end()
        record = self._journal.records[job]
        if record.state == "cancelling":
            self._end(job, "cancelled")
        elif not slot.begun and record.attempts < MAX_ATTEMPTS:  # the job was given to a worker that was dead already
            self._queue.insert(0, job)
        else:
            self._end(job, "failed", failure)

    def _no_device(self, wish: str) -> Failure:
        there = ", ".join(self._pool.devices)
        return Failure("bad-setting", f"device {wish!r} is not available on the backend's machine; it has {there}")

    def _set(self, job: str, state: State) -> None:
        record = self._journal.records[job]
        self._listener.job_changed(self._journal.update(job, state=change(record.state, state)))

    def _end(self, job: str, state: State, failure: Failure | None = None) -> None:
        record = self._journal.records[job]
        if state == "cancelled" and record.state == "running":
            record = self._journal.update(job, state="cancelling")
        if state != "done":
            self._journal.drop_results(job)  # first, so that a full disk has room for the record
        new = change(record.state, state)
        self._listener.job_changed(self._journal.update(job, state=new, ended=time.time(), failure=failure))


def _progress(step: Step) -> Progress:
    return Progress(step.job, step.phase, step.step, step.total, step.loss, step.elapsed, step.seconds_left)

"""The worker processes: at most one a device, the best device's started before anybody asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from backend.service.link import FromWorker
from backend.service.worker_process import WorkerProcess
from protocol import wire
from protocol.messages import Welcome

_GIVE_UP: Final = 2  # starts that fail one after another, before the queued jobs are told
_LONGEST_PAUSE: Final = 32.0  # seconds between two starts


class Slot:
    """A worker process and what it is doing. Times are monotonic seconds."""

    def __init__(self, process: WorkerProcess, device: str) -> None:
        self.process = process
        self.device = device  # "auto" until the worker has said which one that is
        self.ready = False
        self.job = ""
        self.begun = False  # the worker has said something of its job
        self.started = self.heard = self.stepped = time.monotonic()
        self.cancel_at: float | None = None  # when the running job counts as cancelled in any case
        self.abandoned_at: float | None = None  # the job was cancelled without the worker
        self.leaving = False  # a successor is started; whichever of the two is ready first stays
        self._cpu_seconds = 0.0
        self._cpu_at = self.started  # when the process was last seen to use the processor
        self._sampled = self.started

    def begin(self, job: str) -> None:
        self.job = job
        self.begun = False
        self.stepped = time.monotonic()

    def end(self) -> None:
        self.job = ""
        self.cancel_at = self.abandoned_at = None

    def alive(self, now: float) -> float:
        """When the worker last gave a sign of life: a message, or CPU time used.

        The beat comes from a Python thread, which a long call into a native library can hold up; such a worker
        is busy, not hung, and the processor time it uses tells.
        """
        if now - self._sampled >= 0.5:
            self._sampled = now
            used = self.process.cpu_seconds()
            if used > self._cpu_seconds:
                self._cpu_seconds, self._cpu_at = used, now
        return max(self.heard, self._cpu_at)


class Pool:
    """The slots by worker number, and the processes that are being got rid of."""

    def __init__(self, logs: Path, threads: int | None, deliver: Callable[[int, FromWorker | None], None]) -> None:
        self.slots: dict[int, Slot] = {}
        self._logs = logs
        self._threads = threads
        self._deliver = deliver
        self.devices: tuple[str, ...] = ()
        self._dying: list[WorkerProcess] = []
        self._number = 0
        self._failures = 0
        self._not_before = 0.0

    def ready(self, slot: Slot, catalogue: list[bytes]) -> None:
        """A worker has started; the first one tells which devices there are."""
        welcome = wire.decode(catalogue)
        assert isinstance(welcome, Welcome)
        self.devices = welcome.devices
        slot.ready = True
        slot.device = self.devices[0] if slot.device == "auto" else slot.device
        self._failures = 0

    def rivals(self, slot: Slot) -> list[Slot]:
        """Other workers of its device: the one it succeeds, or its own successor."""
        return [other for other in self.slots.values() if other is not slot and other.device == slot.device]

    def take(self, wish: str) -> Slot | None:
        """A worker that is free for a job on the device ``wish``; if there is none, perhaps one is started."""
        if not self.devices:
            return None
        fitting = self.fitting(wish)
        held = {slot.device: slot for slot in self.slots.values() if not slot.leaving}
        for device in fitting:
            slot = held.get(device)
            if slot is not None and slot.ready and not slot.job:
                return slot
        absent = [device for device in fitting if device not in held]
        if absent:
            self.start(absent[0])
        return None

    def has(self, wish: str) -> bool:
        """Whether there is such a device, as far as is known yet."""
        return not self.devices or bool(self.fitting(wish))

    def starting(self, wish: str) -> bool:
        """Whether a job on the device ``wish`` waits for a worker to start, not for another job to end."""
        fitting = self.fitting(wish)
        ready = (slot for slot in self.slots.values() if slot.ready and not slot.leaving)
        return not any(slot.device in fitting for slot in ready)

    def running(self, job: str) -> Slot | None:
        """The worker that runs the job."""
        return next((slot for slot in self.slots.values() if slot.job == job), None)

    def start(self, device: str) -> None:
        """Starts a worker, unless the last ones failed to start a moment ago."""
        if time.monotonic() < self._not_before:
            return
        self._number += 1
        log = self._logs / f"worker-{device.replace(':', '-')}.log"
        try:
            process = WorkerProcess(self._number, device, self._threads, log, self._deliver)
        except OSError:  # no memory or no process to spare just now
            self.start_failed()
            return
        self.slots[self._number] = Slot(process, device)

    def start_failed(self) -> bool:
        """Counts a worker that died before it was ready; True when it is time to give the waiting jobs up."""
        self._failures += 1
        self._not_before = time.monotonic() + min(2.0 ** (self._failures - 1), _LONGEST_PAUSE)
        return self._failures >= _GIVE_UP

    def remove(self, slot: Slot) -> None:
        """Kills a worker; the next ``tick`` starts its successor."""
        for number, held in list(self.slots.items()):
            if held is slot:
                del self.slots[number]
        slot.process.kill()
        self._dying.append(slot.process)

    def tick(self) -> None:
        """Waits for killed processes without waiting, and keeps a worker of the best device warm."""
        self._dying = [process for process in self._dying if not process.gone()]
        best = self.devices[0] if self.devices else "auto"
        if not any(slot.device in (best, "auto") and not slot.leaving for slot in self.slots.values()):
            self.start(best)

    def forgive(self, seconds: float) -> None:
        """Moves all deadlines: this process itself stood still for so long."""
        for slot in self.slots.values():
            slot.started += seconds
            slot.heard += seconds
            slot.stepped += seconds

    def close(self, seconds: float) -> None:
        """Ends every worker; none is left when this returns."""
        for slot in list(self.slots.values()):
            self.remove(slot)
        end = time.monotonic() + seconds
        for process in self._dying:
            process.wait(max(end - time.monotonic(), 0.1))

    def fitting(self, wish: str) -> list[str]:
        """The devices a wish allows: a name, a kind (cuda), or auto: all of the best kind."""
        kind = self.devices[0].partition(":")[0] if wish == "auto" and self.devices else wish
        return [device for device in self.devices if device == kind or device.partition(":")[0] == kind]

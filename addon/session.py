"""The wire client and the tick that serves it: the only place that talks to the backend.

``Session.pump`` does a little work and returns. A timer calls it in a window; a script without one calls it itself.
"""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy

from .backend_process import BackendCheck, BackendProcess, find_command
from .bar import Bar, progress_bar
from .generated import offered
from .history import in_object_mode, push_undo
from .job import MORPH, BakedJob, FrameJob, Job, Order
from .problem import Problem
from .protocol.client import Client
from .protocol.endpoint import Endpoint, EndpointError, is_loopback, read_connection_file, split_address
from .protocol.messages import (
    Error,
    Finished,
    Frame,
    Gone,
    JobState,
    Matched,
    Message,
    Preview,
    Progress,
    Welcome,
)
from .protocol.wire import WireError
from .results import drop_leftovers

TICK = 0.008  # seconds of the main thread that a tick may take; one step that takes longer is the only exception
ANSWER_SECONDS = 30.0  # from connecting to the backend's first answer
BUSY, CONNECTED, IDLE = 0.02, 0.2, 0.5  # seconds between two ticks
CANCELLED = "Cancelled"  # an outcome


class Session:
    """One Blender's link to one backend, with at most one job."""

    def __init__(self, app: str, log_folder: Path) -> None:
        self.process: BackendProcess | None = None
        self.check: BackendCheck | None = None
        self.client: Client | None = None
        self.job: Job | None = None
        self.order: Order | None = None  # pressed, not sent yet
        self.bar = Bar()
        self.problem: Problem | None = None
        self.outcome = ""  # one line about the last job that was done
        self.panel = MORPH  # that tells of the job, and of what became of the last
        self.leftovers = False  # an undo may have brought some back
        self._app = app
        self._log_folder = log_folder
        self._inbox: deque[Message] = deque()
        self._steps: Iterator[None] | None = None
        self._step_seconds = 0.0  # the longest step of this job
        self._finished: Finished | Matched | None = None
        self.training = False  # whether there is a best so far to finish with
        self.finishing = False  # asked for
        self._submitted = 0.0
        self._answered = 0.0  # when the backend was last seen to be there
        self._again: tuple[str, str] | None = None  # how to start one as soon as the one that is ending is gone

    # the backend

    @property
    def backend(self) -> str:
        """The backend's light: stopped, starting, ready, lost or stopping."""
        if self.process is not None and self.process.stopping():
            return "stopping"
        if self.client is None:
            return "starting" if self.process is not None else "stopped"
        return {"connecting": "starting", "ready": "ready", "refused": "stopped"}.get(self.client.state, "lost")

    @property
    def log(self) -> Path | None:
        """The newest log of a backend that was started from here."""
        logs = sorted(self._log_folder.glob("backend-*.log"), key=lambda path: path.stat().st_mtime)
        return logs[-1] if logs else None

    @property
    def busy(self) -> bool:
        """Whether there is a job that can be cancelled."""
        return self.job is not None or self.order is not None

    @property
    def silent_seconds(self) -> float:
        """How long the backend that has the job has not answered."""
        return time.monotonic() - self._answered if self.job is not None else 0.0

    def start_backend(self, python: str, connection_file: str) -> None:
        """Starts a backend, or connects to the running one that ``connection_file`` names. Raises ``Problem``."""
        self.problem = None
        if self.process is not None and (self.process.stopping() or self.process.ended()) and not self._let_go():
            self._again = (python, connection_file)
            return
        if self.client is not None or self.process is not None:
            return
        if not connection_file.strip():
            self.process = BackendProcess(find_command(python), self._log_folder)
            return
        path = Path(connection_file.strip()).expanduser()
        try:
            endpoint = read_connection_file(path)
            here = is_loopback(split_address(endpoint.address)[0])
        except EndpointError as error:
            raise Problem(f"The connection file cannot be used: {error}") from error
        if not here and not bpy.app.online_access:
            raise Problem(
                f"The backend at {endpoint.address} is another machine, and this Blender may not use the network. "
                "Switch on Edit > Preferences > System > Allow Online Access."
            )
        # A backend that is started anew writes its file anew.
        self._connect(endpoint, find=lambda: read_connection_file(path))

    def stop_backend(self) -> None:
        """Begins the end of a started backend; only disconnects from one that was running before."""
        self.cancel()
        self._again = None
        if self.process is None:
            self._close_client()
            return
        if self.client is not None:
            self.client.shutdown()
        self.process.stop()

    def check_backend(self, python: str) -> None:
        """Starts a check of the backend's installation; its answer comes in later ticks. Raises ``Problem``."""
        if self.check is not None:
            self.check.close()
        self.check = BackendCheck(find_command(python))

    # a job

    def take_order(self, order: Order) -> None:
        """Takes a job; it is sent as soon as the backend is ready."""
        self.problem = None
        self.outcome = ""
        self.order = order
        self.panel = order.panel
        self._forget_messages()
        self.bar = Bar("Starting the backend")

    def cancel(self) -> None:
        """Ends the job, if there is one. The scene is as it was before it, at once."""
        if self.job is not None:
            if self.client is not None:
                self.client.cancel(self.job.id)
            self.job.discard()
        elif self.order is not None:
            self.order.begin("").discard()
        if self.busy:
            self.outcome = CANCELLED
        self._forget_job()

    def finish(self) -> None:
        """Ends the training; the frames of the best so far follow."""
        if self.job is not None and self.client is not None and self.training:
            self.client.finish(self.job.id)
            self.finishing = True

    def fail(self, problem: Problem) -> None:
        """Ends the job, if there is one, with an error that the panel shows."""
        self.cancel()
        self.outcome = ""
        self.problem = problem

    # the tick

    def pump(self) -> float:
        """Does a little of what is to do. Seconds until it should be called again."""
        end = time.perf_counter() + TICK
        try:
            self._pump(end)
        except Problem as problem:
            self.fail(problem)
        except Exception as error:
            self.fail(Problem(f"Tweenfield failed: {error}. Please copy the report.", traceback.format_exc()))
        if self.busy:
            return BUSY
        return CONNECTED if self.client is not None or self.process is not None or self.check is not None else IDLE

    def _pump(self, end: float) -> None:
        if self.check is not None:
            self.check.step()
        if self.leftovers:
            self.leftovers = False
            drop_leftovers(self.job.id if self.job is not None else "")
        self._watch()
        if self.busy and self.client is None and self.process is None:
            raise Problem("No backend is running. Press the button again.")
        if self.client is None:
            return
        self._inbox.extend(self.client.poll(0.0, budget=TICK / 2))
        if self.backend == "stopping":
            return
        self._check_link(self.client)
        if self.order is not None and self.client.state == "ready" and self.client.welcome is not None:
            self._submit(self.order, self.client, self.client.welcome)
        if self._steps is not None or self._inbox:
            self._work(end)
        elif self._finished is not None:
            self._install(self._finished)
        if self.job is not None:
            self.job.tick()

    def _watch(self) -> None:
        """Looks after the process: connects to it when it listens, notices its end."""
        if self.process is None:
            return
        if self.process.stopping():
            if self._let_go() and self._again is not None:
                again, self._again = self._again, None
                self.start_backend(*again)
            return
        try:
            if self.client is None:
                endpoint = self.process.endpoint()
                if endpoint is not None:
                    self._connect(endpoint)
            elif self.process.ended():
                raise self.process.death()
        except (Problem, EndpointError) as error:
            self.process.stop()
            raise error if isinstance(error, Problem) else Problem(str(error)) from error

    def _let_go(self) -> bool:
        """Carries the end of the process through; true when it is gone, and its client with it."""
        if self.process is None or not self.process.step():
            return False
        self._close_client()
        self.process = None
        return True

    def _check_link(self, client: Client) -> None:
        """An end to what would wait for ever: a backend that refuses, or never answers."""
        if client.state == "ready":
            self._answered = time.monotonic()
        elif client.state == "refused":
            self.stop_backend()
            raise Problem(f"The backend refused this add-on: {client.reason}")
        elif self.order is not None and time.monotonic() - self._answered > ANSWER_SECONDS:
            self.stop_backend()
            raise Problem(f"The backend does not answer. {client.reason} Start it again.")
        elif self.job is not None and client.state == "lost":
            self.bar = Bar("Connection lost, trying again")

    def _connect(self, endpoint: Endpoint, find: Callable[[], Endpoint] | None = None) -> None:
        self.client = Client(endpoint, self._app, find=find)
        self._answered = time.monotonic()

    def _submit(self, order: Order, client: Client, welcome: Welcome) -> None:
        try:
            self.job = order.begin(order.send(client, welcome))
        except WireError as error:
            raise Problem(f"This cannot be sent: {error.message}.", error.code) from error
        self.order = None
        self._submitted = time.monotonic()
        self.bar = Bar("Sending")

    def _work(self, end: float) -> None:
        """Takes messages in, step by step, while the tick's time lasts; at least one step."""
        begun = time.perf_counter()
        while self._steps is not None or self._inbox:
            if self._steps is None:
                self._steps = self._take(self._inbox.popleft())
            if self._steps is not None and next(self._steps, self) is self:
                self._steps = None
            now = time.perf_counter()
            self._step_seconds = max(self._step_seconds, now - begun)
            begun = now
            if now + self._step_seconds > end:
                return

    def _take(self, message: Message) -> Iterator[None] | None:
        """What a message leads to, as steps; small things are done at once."""
        if isinstance(message, Welcome):
            offered.learn(message)
        elif isinstance(message, Error) and message.job == "":
            self.problem = Problem(message.message, f"{message.code}\n{message.detail}")
        elif self.job is None or getattr(message, "job", None) != self.job.id:
            return None
        elif isinstance(message, Error):
            raise Problem(self.job.with_names(message.message), f"{message.code}\n{message.detail}")
        elif isinstance(message, Gone):
            again = f"Press {self.job.button} again."
            raise Problem(f"The backend was started anew and does not know this {self.job.what}. {again}")
        elif isinstance(message, JobState):
            self._take_state(message, self.job)
        elif isinstance(message, Progress):
            if not self.job.frames:  # from then on, the bar counts the frames that are here
                self.bar = progress_bar(message)
            self.training |= message.loss is not None
        elif isinstance(message, Preview) and isinstance(self.job, FrameJob):
            return self._preview_steps(self.job, message)
        elif isinstance(message, Frame) and isinstance(self.job, FrameJob):
            return self._frame_steps(self.job, message)
        elif isinstance(message, Finished | Matched):
            self._finished = message
        return None

    def _take_state(self, message: JobState, job: Job) -> None:
        if message.state == "queued":
            self.bar = Bar("Waiting for the backend")
        elif message.state == "running" and self.bar.fraction == 0.0:
            self.bar = Bar("Starting")
        elif message.state == "cancelled":
            raise Problem(f"The backend cancelled this {job.what}. Press {job.button} again.")
        elif message.state == "failed":  # the reason comes before it, and would have ended the job
            again = f"Open the log, or press {job.button} again."
            raise Problem(f"The {job.what} failed, and the backend did not say why. {again}")

    def _preview_steps(self, job: FrameJob, message: Preview) -> Iterator[None]:
        yield from job.show_preview(message)
        if self.client is not None:
            self.client.preview_seen(message.job, message.revision)

    def _frame_steps(self, job: FrameJob, message: Frame) -> Iterator[None]:
        yield from job.insert(message)
        done = f"{job.noun.capitalize()}: {message.seq + 1} of {message.total}"
        self.bar = Bar(done, (message.seq + 1) / message.total)
        if self.client is not None:
            self.client.taken(message.job)

    def _install(self, last: Finished | Matched) -> None:
        """Puts the result into the scene, in one undo step."""
        job = self.job
        assert job is not None
        if not in_object_mode():
            self.bar = Bar("Go back to Object Mode to receive the result", 1.0)
            return
        self._finished = None
        if isinstance(job, BakedJob) and not job.complete():
            # An undo took the half-made result away. The backend still has the morph: its frames are sent once more.
            assert self.client is not None
            job.restart(self.client.bake(job.id, job.timeline))
            return
        first, *told = job.install(last)
        seconds = max(1, round(time.monotonic() - self._submitted))
        self._forget_job()
        self.outcome = "\n".join([f"{first} in {seconds} s", *told])
        push_undo(f"Tweenfield {job.button}")

    # ends

    def leave_file(self) -> None:
        """Another file is being opened: the job ends, the backend stays."""
        self.cancel()
        self.problem = None
        self.outcome = ""

    def close(self) -> None:
        """Ends everything before returning: the add-on is switched off, or Blender ends."""
        self.cancel()
        self.end_processes()

    def end_processes(self) -> None:
        """The part of ``close`` that needs no Blender any more."""
        self._again = None
        if self.check is not None:
            self.check.close()
            self.check = None
        if self.process is not None:
            if self.client is not None:
                self.client.shutdown()
                self.client.poll(0.05)
            self.process.stop_now(seconds=4.0)
            self.process = None
        self._close_client()

    def _close_client(self) -> None:
        if self.client is not None:
            self.client.close()
            self.client = None

    def _forget_job(self) -> None:
        self.job = None
        self.order = None
        self.bar = Bar()
        self._forget_messages()

    def _forget_messages(self) -> None:
        self._inbox.clear()
        self.training = self.finishing = False
        self._steps = None
        self._finished = None
        self._step_seconds = 0.0

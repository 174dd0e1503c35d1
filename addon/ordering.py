"""Operators that start a job: each gives the session an order, and waits for its end where a script asked for that."""

from __future__ import annotations

import time

import bpy

from .job import Order
from .preferences import preferences_of
from .problem import Problem, allowed
from .running import current
from .session import BUSY

PATIENCE = 600.0  # seconds that a script waits for a backend that has gone silent


class StartsJob(bpy.types.Operator):
    """What such operators have in common; starts the backend if need be."""

    wait: bpy.props.BoolProperty(
        name="Wait", description="Return when the job is done; for scripts", options={"HIDDEN", "SKIP_SAVE"}
    )

    @staticmethod
    def reason(context: bpy.types.Context) -> str:
        """Why it cannot be pressed now; empty when it can."""
        raise NotImplementedError

    @staticmethod
    def order(context: bpy.types.Context) -> Order:
        """Reads what the job needs. Raises ``Problem``, and leaves nothing in the file then."""
        raise NotImplementedError

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return allowed(cls, cls.reason(context))

    def execute(self, context: bpy.types.Context) -> set[str]:  # type: ignore[override]
        session = current()
        try:
            preferences = preferences_of(context)
            session.take_order(type(self).order(context))
            session.start_backend(bpy.path.abspath(preferences.python), bpy.path.abspath(preferences.connection_file))
        except Problem as problem:
            session.fail(problem)
            self.report({"ERROR"}, problem.message)
            return {"CANCELLED"}
        while self.wait and session.busy:
            time.sleep(min(session.pump(), BUSY))
            if session.silent_seconds > PATIENCE:
                session.fail(
                    Problem("The backend has not answered for ten minutes. Start it again, and press the button.")
                )
        if self.wait and session.problem is not None:
            self.report({"ERROR"}, session.problem.message)
            return {"CANCELLED"}
        return {"FINISHED"}

"""How an operator gives the session an order, and waits for its end where a script asked for that."""

from __future__ import annotations

import time
from collections.abc import Callable

import bpy

from .job import Order
from .preferences import preferences_of
from .problem import Problem
from .running import current
from .session import BUSY

PATIENCE = 600.0  # seconds that a script waits for a backend that has gone silent


def carry_out(
    operator: bpy.types.Operator, context: bpy.types.Context, make: Callable[[], Order], wait: bool
) -> set[str]:
    """Takes the order that ``make`` makes, and starts the backend if need be; what an operator returns."""
    session = current()
    try:
        preferences = preferences_of(context)
        session.take_order(make())
        session.start_backend(bpy.path.abspath(preferences.python), bpy.path.abspath(preferences.connection_file))
    except Problem as problem:
        session.fail(problem)
        operator.report({"ERROR"}, problem.message)
        return {"CANCELLED"}
    while wait and session.busy:
        time.sleep(min(session.pump(), BUSY))
        if session.silent_seconds > PATIENCE:
            session.fail(Problem("The backend has not answered for ten minutes. Start it again, and press the button."))
    if wait and session.problem is not None:
        operator.report({"ERROR"}, session.problem.message)
        return {"CANCELLED"}
    return {"FINISHED"}

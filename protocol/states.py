"""The states of a job and the legal changes between them, as a table."""

from __future__ import annotations

from typing import Final, Literal

State = Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]

# A job that finishes while it is being cancelled is done: its result exists, and "cancelled" would hide it.
NEXT: Final[dict[State, frozenset[State]]] = {
    "queued": frozenset({"running", "failed", "cancelled"}),
    "running": frozenset({"cancelling", "done", "failed"}),
    "cancelling": frozenset({"cancelled", "done", "failed"}),
    "done": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}

# What the journal's state becomes when a new server reads it: an interrupted job starts again from its request.
AFTER_RESTART: Final[dict[State, State]] = {
    "queued": "queued",
    "running": "queued",
    "cancelling": "cancelled",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
}

TERMINAL: Final[frozenset[State]] = frozenset(state for state, following in NEXT.items() if not following)


class IllegalTransition(RuntimeError):
    """A change of state that the table does not have."""


def is_terminal(state: State) -> bool:
    return state in TERMINAL


def change(state: State, new: State) -> State:
    """The new state; ``IllegalTransition`` if the table does not allow it. Staying is no change and not allowed."""
    if new not in NEXT[state]:
        raise IllegalTransition(f"a job cannot go from {state} to {new}")
    return new


def on_cancel(state: State) -> State:
    """The state after a request to cancel, in every state: terminal states and ``cancelling`` stay as they are."""
    if state == "queued":
        return "cancelled"
    return "cancelling" if state == "running" else state

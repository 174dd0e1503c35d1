"""The table of job states under random histories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.states import AFTER_RESTART, NEXT, TERMINAL, IllegalTransition, change, is_terminal, on_cancel

STATES = tuple(NEXT)

EVENTS = st.lists(st.one_of(st.sampled_from(STATES), st.sampled_from(["cancel", "restart"])), max_size=30)


@given(EVENTS)
def test_no_history_leaves_the_table_and_terminal_states_stick(events: list[str]) -> None:
    state = "queued"
    ended = None
    for event in events:
        before = state
        if event == "cancel":
            state = on_cancel(state)
            assert state == before or state in NEXT[before]
        elif event == "restart":
            state = AFTER_RESTART[state]
            assert state != "running"
            assert state != "cancelling"
        elif event in NEXT[state]:
            state = change(state, event)
        else:
            with pytest.raises(IllegalTransition, match=f"from {state} to {event}"):
                change(state, event)
        assert state in STATES
        ended = ended or (state if is_terminal(state) else None)
        assert ended is None or state == ended


def test_every_state_is_reached_and_every_job_can_end() -> None:
    reached = {"queued"}
    while True:
        more = reached | {new for state in reached for new in NEXT[state]}
        if more == reached:
            break
        reached = more
    assert reached == set(STATES) == set(AFTER_RESTART)
    assert {"done", "failed", "cancelled"} == TERMINAL
    for state in STATES:
        assert is_terminal(state) or any(is_terminal(new) for new in NEXT[state])


@pytest.mark.parametrize("state", STATES)
def test_cancel_is_right_in_every_state_and_twice_is_once(state: str) -> None:
    assert on_cancel(on_cancel(state)) == on_cancel(state)
    assert is_terminal(state) <= (on_cancel(state) == state)
    assert on_cancel(state) in ("cancelling", "cancelled") or is_terminal(state)

"""Ctrl-C: what the first press does, and the ones after it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from backend.commands.interrupt import Interrupt


@pytest.fixture(autouse=True)
def pythons_own() -> Iterator[None]:
    """Python's own handler before every test: a shell that starts pytest in the background has Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_first_press_is_noted_and_the_second_raises() -> None:
    notes: list[str] = []
    with Interrupt(notes.append) as interrupt:
        assert not interrupt.asked
        press()
        assert interrupt.asked
        assert len(notes) == 1
        with pytest.raises(KeyboardInterrupt):
            press()
        assert interrupt.next_part()
        assert not interrupt.next_part()
        press()
        assert len(notes) == 2
    with pytest.raises(KeyboardInterrupt):
        press()  # outside it is Python's own again


def test_at_once_the_first_press_raises_until_there_is_something_to_keep() -> None:
    notes: list[str] = []
    with Interrupt(notes.append, at_once=True) as interrupt:
        with pytest.raises(KeyboardInterrupt):
            press()
        assert interrupt.asked  # for code whose library swallowed it
        press()  # the same press, still held: the command cleans up
        interrupt.next_part()
        press()
        assert notes
        assert interrupt.next_part(at_once=True)
        with pytest.raises(KeyboardInterrupt):
            press()


def stopped_while_loading(over: bool) -> None:
    """The library says something else than that it was stopped; ``over``: long after the press."""
    with Interrupt(print, at_once=True) as interrupt:
        try:
            press()
        except KeyboardInterrupt:
            if over:
                interrupt.next_part()
            raise ImportError("half a library") from None


def test_a_press_that_raised_is_not_taken_for_a_fault() -> None:
    with pytest.raises(KeyboardInterrupt):
        stopped_while_loading(over=False)
    with pytest.raises(ImportError):
        stopped_while_loading(over=True)


def test_orderly_work_raises_at_the_third_press() -> None:
    with Interrupt(lambda _: None, at_once=True) as interrupt, interrupt.orderly():
        press()
        assert (interrupt.asked, interrupt.asked_again) == (True, False)
        press()
        assert interrupt.asked_again
        with pytest.raises(KeyboardInterrupt):
            press()

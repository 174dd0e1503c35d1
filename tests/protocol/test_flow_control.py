"""Credit and sequence numbers over a simulated line that loses and repeats messages."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.flow_control import MAX_CREDIT, ReceiveWindow, SendWindow

Step = tuple[str, int]
STEPS = st.lists(st.tuples(st.sampled_from(["send", "up", "down", "take", "resume"]), st.integers(0, 3)), max_size=300)


class Line:
    """Both windows with a queue in each direction. A fate: 0 loses a message, 1 repeats it, else it passes."""

    def __init__(self, total: int, capacity: int) -> None:
        self.total = total
        self.sender, self.receiver = SendWindow(), ReceiveWindow(capacity)
        self.up: deque[tuple[str, int]] = deque([("credit", self.receiver.restart())])
        self.down: deque[int] = deque()
        self.delivered: list[int] = []

    def step(self, kind: str, fate: int) -> None:
        if kind == "send" and self.sender.may_send(self.total):
            self.down.append(self.sender.next_seq)
            self.sender.sent()
        elif kind == "up" and self.up:
            message = self.up.popleft()
            for _ in range({0: 0, 1: 2}.get(fate, 1)):
                self.hear(*message)
        elif kind == "down" and self.down:
            seq = self.down.popleft()
            for _ in range({0: 0, 1: 2}.get(fate, 1)):
                if self.receiver.arrive(seq) == "next":
                    self.delivered.append(seq)
        elif kind == "take":
            grant = self.receiver.taken(fate)
            if grant:
                self.up.append(("credit", grant))
        elif kind == "resume":
            self.up.append(("resume", self.receiver.next_seq))
            self.up.append(("credit", self.receiver.restart()))
        self.check()

    def hear(self, kind: str, number: int) -> None:
        if kind == "credit":
            self.sender.grant(number)
        else:
            self.sender.resume(number)

    def check(self) -> None:
        assert self.delivered == list(range(len(self.delivered)))
        assert self.receiver.held >= 0
        assert self.receiver.expected + self.receiver.held <= self.receiver.capacity or self.receiver.expected == 0
        assert 0 <= self.sender.credit <= MAX_CREDIT
        assert len(self.delivered) == self.receiver.next_seq <= self.total


@given(STEPS, st.integers(1, 30), st.integers(1, 6))
def test_any_losses_are_mended_and_nothing_comes_twice(steps: list[Step], total: int, capacity: int) -> None:
    line = Line(total, capacity)
    for kind, fate in steps:
        line.step(kind, fate)
    for _ in range(total + 2):  # the line is good again: everything comes through
        line.step("resume", 2)
        for kind in ("up", "up", *["up"] * len(line.up), *["send", "down"] * (capacity + len(line.down))):
            line.step(kind, 2)
        line.step("take", capacity + 8)
    assert line.delivered == list(range(total))


@given(st.lists(st.integers(1, 4), max_size=80), st.integers(1, 6))
def test_on_a_good_line_no_more_than_the_capacity_is_out(takes: list[int], capacity: int) -> None:
    line = Line(10_000, capacity)
    for take in takes:
        for _ in range(8):
            line.step("up", 2)
            line.step("send", 2)
        assert len(line.down) + line.receiver.held <= capacity
        while line.down:
            line.step("down", 2)
        assert line.receiver.held == capacity  # the line is also used to the full
        line.step("take", take)


def test_a_sender_without_credit_is_a_fault() -> None:
    window = SendWindow()
    assert not window.may_send(5)
    with pytest.raises(RuntimeError, match="frame 0 was sent without credit"):
        window.sent()
    window.grant(2)
    window.grant(-7)
    assert window.may_send(5)
    assert not window.may_send(0)
    window.sent()
    assert (window.next_seq, window.credit) == (1, 1)
    window.grant(10 * MAX_CREDIT)
    assert window.credit == MAX_CREDIT
    window.resume(-3)
    assert (window.next_seq, window.credit) == (0, 0)


@pytest.mark.parametrize("capacity", [0, -1, MAX_CREDIT + 1])
def test_a_capacity_out_of_range_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match=f"credit is {capacity}"):
        ReceiveWindow(capacity)

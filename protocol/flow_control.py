"""Credit, sequence numbers and gaps of a job's frames. Pure bookkeeping: no sockets, no clocks.

The receiver allows a number of frames; the sender never has more on the way than that. Frames are numbered from 0
without gaps. After a loss of any kind the receiver says ``Resume(job, next_seq)`` and grants anew: the sender's
credit is then what is granted after the ``Resume``, and whatever was on the way before counts no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MAX_CREDIT = 1024  # frames; more than this is never on the way, whatever is granted

Arrival = Literal["next", "repeat", "gap"]


@dataclass
class SendWindow:
    """The sender's side of one job's frames for one client."""

    next_seq: int = 0  # the frame to send next
    credit: int = 0  # frames that may be sent now

    def may_send(self, available: int) -> bool:
        """Whether frame ``next_seq`` may go out, when frames 0 .. available - 1 exist."""
        return self.credit > 0 and self.next_seq < available

    def sent(self) -> None:
        """Frame ``next_seq`` went out."""
        if self.credit <= 0:
            raise RuntimeError(f"frame {self.next_seq} was sent without credit")
        self.credit -= 1
        self.next_seq += 1

    def grant(self, frames: int) -> None:
        """The receiver allows ``frames`` more."""
        self.credit = min(self.credit + max(frames, 0), MAX_CREDIT)

    def resume(self, next_seq: int) -> None:
        """The receiver starts again at ``next_seq``; earlier credit is void."""
        self.next_seq = max(next_seq, 0)
        self.credit = 0


@dataclass
class ReceiveWindow:
    """The receiver's side: frames in order, and at most ``capacity`` that are on the way or not yet taken in."""

    capacity: int
    next_seq: int = 0  # the frame that must come next
    held: int = 0  # frames handed out but not yet taken in
    expected: int = 0  # credit that was granted and is not used up

    def __post_init__(self) -> None:
        if not 1 <= self.capacity <= MAX_CREDIT:
            raise ValueError(f"credit is {self.capacity}; it must be from 1 to {MAX_CREDIT}")

    def restart(self) -> int:
        """The frames to grant after ``Submit`` or ``Resume``: all that are not held."""
        self.expected = max(self.capacity - self.held, 0)
        return self.expected

    def arrive(self, seq: int) -> Arrival:
        """Whether the frame is the next one, one that was seen before, or one after a gap."""
        if seq != self.next_seq:
            return "repeat" if seq < self.next_seq else "gap"
        self.next_seq += 1
        self.held += 1
        self.expected = max(self.expected - 1, 0)
        return "next"

    def taken(self, frames: int) -> int:
        """The receiver took in ``frames`` of the held ones. Returns the frames to grant for them."""
        frames = min(max(frames, 0), self.held)
        self.held -= frames
        grant = max(self.capacity - self.held - self.expected, 0)
        self.expected += grant
        return grant

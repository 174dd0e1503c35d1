"""The decoder under many mutated messages: ``python -m tests.contract.soak [--messages 100000] [--seed 0]``.

Every message is decoded or refused with ``WireError``; anything else, or more memory than allowed, ends with status 1.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections import Counter

from protocol.wire import WireError, decode, encode
from tests.contract.mutations import mutated

MEMORY = 48 * 2**20  # bytes that decoding one message may take; the lists a header can promise need 34 MB


def soak(count: int, seed: int) -> tuple[Counter[str], int]:
    """What became of the messages, by error code, and the largest peak of memory in bytes."""
    outcomes: Counter[str] = Counter()
    largest = 0
    tracemalloc.start()
    try:
        for parts in mutated(count, seed):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            try:
                message = decode(parts)
            except WireError as refused:
                outcomes[refused.code] += 1
            else:
                outcomes["decoded"] += 1
                encode(message)  # what was let in is sound enough to be sent on
            largest = max(largest, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return outcomes, largest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.monotonic()
    outcomes, largest = soak(options.messages, options.seed)
    print(f"{options.messages} messages in {time.monotonic() - started:.0f} s, seed {options.seed}")  # noqa: T201
    for code, count in outcomes.most_common():
        print(f"{count:8}  {code}")  # noqa: T201
    print(f"largest memory of one message: {largest / 2**20:.1f} MB of {MEMORY / 2**20:.0f} MB")  # noqa: T201
    return 0 if largest <= MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())

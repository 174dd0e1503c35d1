"""What an exception is called, at a backend and at the command line alike."""

from __future__ import annotations

import pytest
import torch

from backend.cli import _plain
from backend.service.faults import failure_of
from backend.training.loop import TrainingError


def allocate(tensor: bool) -> None:
    if tensor:
        torch.empty(2**60, dtype=torch.uint8)
    bytearray(2**62)


@pytest.mark.parametrize("tensor", [True, False])
def test_memory_that_ran_out(tensor: bool) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as error:
        allocate(tensor)
    failure = failure_of(error.value)
    assert failure.code == "out-of-memory"
    assert failure.retryable
    assert "fewer vertices" in failure.message
    assert _plain(error.value) == failure.message


def test_a_training_without_numbers_has_a_remedy() -> None:
    error = TrainingError("50 gradients in a row are not numbers")
    assert failure_of(error).code == "training-failed"
    assert "lower learning_rate or choose another preset" in failure_of(error).message
    assert _plain(error) == failure_of(error).message


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("the memory of an elephant"), KeyError("x")])
def test_what_is_a_fault_of_the_program_keeps_its_traceback(error: Exception) -> None:
    assert failure_of(error).code == "internal"
    assert _plain(error) is None

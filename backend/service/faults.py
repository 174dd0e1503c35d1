"""What went wrong, as data: the code and the sentence an Error message carries."""

from __future__ import annotations

import errno
import sys
import traceback

from backend.correspondence.correspondence import CorrespondenceError
from backend.service.journal import Failure
from protocol.limits import WireError
from protocol.mesh import MeshError
from protocol.settings import SettingError

FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "unable to allocate",
    "bad_alloc",
)


def failure_of(error: BaseException) -> Failure:
    """The failure an exception means. Only ``internal`` is a fault of the program."""
    detail = "".join(traceback.format_exception(error))[-8000:]
    if isinstance(error, WireError) and error.code == "too-large":
        return Failure(error.code, error.message, detail)
    if isinstance(error, MeshError):
        return Failure("bad-mesh", str(error), detail)
    if isinstance(error, CorrespondenceError):
        return Failure("bad-table", str(error), detail)
    if isinstance(error, SettingError):
        return Failure("bad-setting", str(error), detail)
    if isinstance(error, OSError) and error.errno in FULL:
        return disk_full(detail)
    if isinstance(error, MemoryError) or any(word in str(error).lower() for word in _MEMORY_WORDS):
        return Failure(
            "out-of-memory",
            "The memory did not suffice for this job. Use meshes with fewer vertices, a lower preset, "
            "or the cpu device if a graphics card ran out.",
            detail,
            retryable=True,
        )
    if _no_training(error):
        return Failure("training-failed", f"{error}: lower learning_rate or choose another preset", detail)
    return Failure(
        "internal",
        f"The backend failed on this job ({type(error).__name__}: {error}). This is a fault of the program; "
        "the backend itself goes on.",
        detail,
    )


def _no_training(error: BaseException) -> bool:
    """Whether it is a ``TrainingError``, which only a process with torch can have raised."""
    if not isinstance(error, RuntimeError) or "torch" not in sys.modules:
        return False
    from backend.training.loop import TrainingError

    return isinstance(error, TrainingError)


def disk_full(detail: str) -> Failure:
    """The results do not fit on the backend's disk."""
    return Failure(
        "disk-full",
        "The backend's disk is full, so the result could not be kept. Free some space, or start the backend with "
        "its journal on another disk, and submit again.",
        detail,
        retryable=True,
    )


def worker_died(reason: str, detail: str) -> Failure:
    """The process that ran the job ended."""
    return Failure(
        "worker-died",
        f"The process that computed this job ended unexpectedly ({reason}). If memory ran out, use smaller meshes "
        "or a lower preset; otherwise submit again.",
        detail,
        retryable=True,
    )


def worker_hung(seconds: float, detail: str) -> Failure:
    """The process that ran the job stood still."""
    return Failure(
        "worker-hung",
        f"The process that computed this job stood still for {seconds:.0f} s and was replaced. Submit again.",
        detail,
        retryable=True,
    )

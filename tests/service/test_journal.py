"""The journal and its files."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from backend.service.journal import (
    FINISHED,
    Failure,
    JobRecord,
    Journal,
    JournalInUse,
    JournalLimits,
    frame_name,
    frames_there,
)
from backend.service.parts_file import read_parts, write_parts
from tests.service.harness import backend_environment

NOT_WHOLE = r"cut short|not a message"


def record(job: str, **more: object) -> JobRecord:
    return JobRecord(job, "digest", "cpu", 3, created=time.time(), **more)  # type: ignore[arg-type]


def test_parts_come_back(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    parts = [b"header", b"", memoryview(array), memoryview(np.zeros((0, 3))), bytearray(b"end")]
    size = write_parts(tmp_path / "file", parts)
    assert (tmp_path / "file").stat().st_size == size
    assert [bytes(part) for part in read_parts(tmp_path / "file")] == [b"header", b"", array.tobytes(), b"", b"end"]


def test_a_file_that_is_cut_short_or_foreign_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_parts(path, [b"header", b"body"])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=NOT_WHOLE):
            read_parts(path)
    for foreign in (whole + b"more", b"GIF8" + whole[4:], whole[:4] + b"\xff" * 4 + whole[8:]):
        path.write_bytes(foreign)
        with pytest.raises(ValueError, match=NOT_WHOLE):
            read_parts(path)


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_parts(path, [b"old"])
    written = os.write

    def full(descriptor: int, view: memoryview) -> int:
        if len(view) > 4:
            return written(descriptor, view[:4])  # the system may take less than it is given
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        write_parts(path, [b"new" * 10])
    monkeypatch.undo()
    assert [bytes(part) for part in read_parts(path)] == [b"old"]
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_records_outlive_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.create(record("one"), [b"request"])
    journal.create(record("two", base="one"), [b"request"])
    failed = journal.update("one", state="failed", ended=1e12, failure=Failure("internal", "why", "where", True))
    journal.close()
    again = Journal(tmp_path)
    assert again.records["one"] == failed
    assert again.records["two"].base == "one"
    again.close()


def test_what_has_a_training_that_can_be_ended() -> None:
    kinds = {"morph": True, "match": False, "surface": True, "refine": True, "reconstruct": True}
    assert {kind: record("one", kind=kind).trains for kind in kinds} == kinds
    assert not record("two", base="one").trains
    assert record("two", base="one", kind="refine").trains


def test_records_of_an_older_server_are_morphs(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.create(record("old"), [b"request"])
    journal.create(record("match", kind="match"), [b"request"])
    journal.close()
    file = journal.path("old") / "job.json"
    values = json.loads(file.read_text())
    del values["kind"]
    file.write_text(json.dumps(values))
    again = Journal(tmp_path)
    assert {name: found.kind for name, found in again.records.items()} == {"old": "morph", "match": "match"}
    again.close()


def test_frames_count_up_to_the_first_gap(tmp_path: Path) -> None:
    for seq in (0, 1, 3):
        write_parts(tmp_path / frame_name(seq), [b"frame"])
    assert frames_there(tmp_path) == 2


def test_half_made_jobs_and_results_of_failed_ones_are_swept(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.create(record("whole"), [b"request"])
    journal.create(record("failed"), [b"request"])
    write_parts(journal.path("failed") / frame_name(0), [b"frame"])
    (journal.path("whole") / "frame-000000.bin.part").write_bytes(b"half")
    journal.update("failed", state="failed", ended=time.time())
    (tmp_path / "job-half").mkdir()
    (tmp_path / "job-torn").mkdir()
    (tmp_path / "job-torn" / "job.json").write_text('{"job": "torn"')
    journal.close()
    again = Journal(tmp_path)
    assert set(again.records) == {"whole", "failed"}
    assert sorted(p.name for p in tmp_path.glob("job-*/*")) == ["job.json", "job.json", "request.bin"]
    again.close()


def test_pruning_takes_the_oldest_ended_jobs(tmp_path: Path) -> None:
    journal = Journal(tmp_path, JournalLimits(bytes=50_000, seconds=1000.0, jobs=6))
    now = time.time()
    for age, job in enumerate(("newest", "middle", "older", "watched", "base")):
        journal.create(record(job), [bytes(10_000)])
        journal.update(job, state="done", ended=now - 10 * age)
    journal.create(record("ancient"), [b""])
    journal.update("ancient", state="done", ended=now - 2000)
    journal.create(record("waiting", base="base"), [bytes(10)])
    for job in ("forgotten", "patient"):  # interrupted long ago
        journal.create(record(job), [b""])
        journal.update(job, created=now - 2000)
    assert journal.prune(keep={"watched", "patient"}) == ["forgotten", "ancient", "older"]
    assert set(journal.records) == {"newest", "middle", "watched", "base", "waiting", "patient"}
    journal.remove("patient")
    assert not journal.path("older").exists()

    write_parts(journal.path("waiting") / FINISHED, [bytes(200_000)])  # not ended: not counted, not deleted
    assert journal.prune() == []
    journal.update("waiting", state="done", ended=now)
    assert "waiting" not in journal.prune(keep={"waiting"})
    assert set(journal.records) == {"waiting"}
    journal.close()


def test_a_journal_belongs_to_one_server(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from backend.service.journal import Journal\n"
    code += "journal = Journal(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env=backend_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(JournalInUse, match="in use by another backend"):
            Journal(tmp_path)
        other.kill()
    Journal(tmp_path).close()

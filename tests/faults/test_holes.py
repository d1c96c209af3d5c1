"""Sparse files: 5 GB of NULs that stand on no disk are passed over, not read."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from asking import Stage
from budgauge.files import sparse
from budgauge.files.sparse import data_from
from budgauge.gate import Answer
from budgauge.ledger.ledger import Ledger
from usage import line, usage

HOLE_BYTES = 5 << 30
FEW = 400
"""Reads; 5 GB in blocks would take 20,000."""


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The offsets that are read from."""
    found: list[int] = []
    pread = os.pread

    def counted_pread(descriptor: int, size: int, offset: int) -> bytes:
        found.append(offset)
        return pread(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", counted_pread)
    return found


def add_hole(path: Path, then: bytes = b"") -> None:
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + HOLE_BYTES)
        file.seek(0, os.SEEK_END)
        file.write(then)


def test_where_data_begins(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    add_hole(path, b"end")
    descriptor = os.open(path, os.O_RDONLY)
    end = path.stat().st_size
    assert data_from(descriptor, 3) == 3
    assert 10 < data_from(descriptor, 1 << 20) <= end - 3
    assert data_from(descriptor, end) == end
    os.close(descriptor)


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EIO])
def test_a_system_that_cannot_tell_lets_everything_be_read(
    tmp_path: Path, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))

    def fail(*_: Any) -> int:
        raise OSError(error, "no")

    with path.open("rb") as file:
        monkeypatch.setattr(sparse.os, "lseek", fail)
        assert data_from(file.fileno(), 7) == 7


@pytest.mark.parametrize("agent", ["codex", "claude-code"])
def test_a_transcript_with_a_hole_is_decided_on(agent: str, own_place: Path, ledger: Path, reads: list[int]) -> None:
    stage = Stage(agent, own_place, ledger)
    stage.config('total_budget = 1000\non_hook_error = "deny"')
    stage.spend(5, 5)
    size = stage.transcript.stat().st_size
    add_hole(stage.transcript)
    assert stage.ask() == Answer()
    assert stage.used == {agent: 10}
    assert len(reads) < FEW
    stage.spend(7, 7)
    later = stage.log.data[size:]
    stage.transcript.write_bytes(stage.log.data[:size])
    add_hole(stage.transcript, b"\n" + later)
    assert stage.ask() == Answer()
    assert stage.used == {agent: 24}
    assert len(reads) < 2 * FEW


def test_usage_in_the_same_line_as_a_hole_is_not_decided_on(own_place: Path, ledger: Path, reads: list[int]) -> None:
    stage = Stage("claude-code", own_place, ledger)
    stage.config('total_budget = 1000\non_hook_error = "deny"')
    stage.spend(5, 5)
    data = stage.log.data
    stage.spend(7, 7)
    stage.transcript.write_bytes(data)
    add_hole(stage.transcript, stage.log.data[len(data) :])
    reply = stage.ask()
    assert (reply.code, "cannot be read" in reply.error) == (2, True)
    assert len(reads) < FEW


def test_a_ledger_with_a_hole_is_read_and_written(ledger: Path, reads: list[int]) -> None:
    ledger.write_bytes(line("a", 1, 0))
    add_hole(ledger, b"\n" + line("a", 2, 0))
    reader = Ledger(ledger)
    with reader.locked() as writer:
        writer.append(usage("a", 4, 0))
    assert reader.totals.at(0).spent_by_all[0] == 7
    again = Ledger(ledger)
    again.refresh()
    assert (again.totals.at(0).spent_by_all[0], again.fault_count) == (7, 1)
    assert len(reads) < FEW


def test_a_ledger_that_begins_with_a_hole_is_one_if_a_record_follows(ledger: Path, reads: list[int]) -> None:
    ledger.touch()
    add_hole(ledger, b"\n" + line("a", 2, 0))
    with Ledger(ledger).locked() as writer:
        writer.append(usage("a", 4, 0))
    again = Ledger(ledger)
    again.refresh()
    assert again.totals.at(0).spent_by_all[0] == 6
    assert len(reads) < FEW

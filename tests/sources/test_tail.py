"""Reading a growing file in whole lines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from budgauge.sources import tail as tail_module
from budgauge.sources.tail import Tail


def test_lines_come_once_and_the_last_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthr")
    tail = Tail(path)
    assert list(tail.blocks()) == [b"one\ntwo\n"]
    assert list(tail.blocks()) == []
    with path.open("ab") as file:
        file.write("ee\u2028\n".encode())
    assert list(tail.blocks()) == ["three\u2028\n".encode()]
    assert tail.bytes_read == path.stat().st_size
    assert tail.unchanged(path.stat())


def test_blocks_meet_at_line_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "BLOCK_BYTES", 7)
    path = tmp_path / "log"
    lines = [b"x" * n + b"\n" for n in range(20)]
    path.write_bytes(b"".join(lines))
    blocks = list(Tail(path).blocks())
    assert b"".join(blocks) == path.read_bytes()
    assert all(block.endswith(b"\n") for block in blocks)


@pytest.mark.parametrize("ended", [True, False])
def test_a_line_without_end_is_skipped_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    monkeypatch.setattr(tail_module, "BLOCK_BYTES", 8)
    monkeypatch.setattr(tail_module, "MAX_LINE_BYTES", 32)
    path = tmp_path / "log"
    path.write_bytes(b"one\n" + b"x" * 1000 + (b"\ntwo\n" if ended else b""))
    tail = Tail(path)
    given = b"".join(tail.blocks())
    if not ended:
        with path.open("ab") as file:
            file.write(b"xx\ntwo\n")
        given += b"".join(tail.blocks())
    assert given == b"one\ntwo\n"
    assert tail.skipped_lines == 1


def test_replacement_and_truncation_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\n")
    tail = Tail(path)
    assert not tail.replaced(path.stat())
    list(tail.blocks())
    assert not tail.replaced(path.stat())
    os.truncate(path, 4)
    assert tail.replaced(path.stat())
    other = tmp_path / "other"
    other.write_bytes(b"one\ntwo\nthree\n")
    os.replace(other, path)
    assert tail.replaced(path.stat())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(OSError, match="not a regular file"):
        list(Tail(tmp_path / "log").blocks())

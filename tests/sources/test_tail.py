"""Reading a growing file in whole lines."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from budgauge.sources import tail as tail_module
from budgauge.sources.tail import ReplacedError, Tail


def test_lines_come_once_and_the_last_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthr")
    tail = Tail()
    assert lines(tail, path) == [b"one\ntwo\n"]
    assert lines(tail, path) == []
    with path.open("ab") as file:
        file.write("ee\u2028\n".encode())
    assert lines(tail, path) == ["three\u2028\n".encode()]
    assert tail.bytes_read == path.stat().st_size
    assert tail.position.size == path.stat().st_size


def lines(tail: Tail, path: Path) -> list[bytes]:
    """What is new, in blocks."""
    return [data[:end] for data, end in tail.blocks(path)]


def test_blocks_meet_at_line_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "BLOCK_BYTES", 7)
    path = tmp_path / "log"
    written = [b"x" * n + b"\n" for n in range(20)]
    path.write_bytes(b"".join(written))
    blocks = lines(Tail(), path)
    assert b"".join(blocks) == path.read_bytes()
    assert all(block.endswith(b"\n") for block in blocks)


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize(("within", "skipped"), [(b'"usage"', 1), (b'"token_count"', 1), (b'"picture"', 0)])
def test_a_line_without_end_is_skipped_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: bool, within: bytes, skipped: int
) -> None:
    monkeypatch.setattr(tail_module, "BLOCK_BYTES", 8)
    monkeypatch.setattr(tail_module, "MAX_LINE_BYTES", 32)
    path = tmp_path / "log"
    path.write_bytes(b"one\n" + b"x" * 500 + within + b"x" * 500 + (b"\ntwo\n" if ended else b""))
    tail = Tail()
    given = b"".join(lines(tail, path))
    if not ended:
        with path.open("ab") as file:
            file.write(b"xx\ntwo\n")
        given += b"".join(lines(tail, path))
    assert given == b"one\ntwo\n"
    assert tail.position.skipped_lines == skipped, "only a line that tells of usage is a loss"


def shorter(path: Path) -> None:
    os.truncate(path, 4)


def another(path: Path) -> None:
    path.with_suffix(".new").write_bytes(b"one\ntwo\nthree\n")
    os.replace(path.with_suffix(".new"), path)


def rewritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"eno\nowt\nthree\n")


@pytest.mark.parametrize("change", [shorter, another, rewritten])
def test_a_file_that_was_replaced_is_noticed(tmp_path: Path, change: Callable[[Path], None]) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\n")
    tail = Tail()
    lines(tail, path)
    change(path)
    with pytest.raises(ReplacedError):
        lines(tail, path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(OSError, match="not a regular file"):
        list(Tail().blocks(tmp_path / "log"))

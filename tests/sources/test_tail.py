"""Reading a growing file in whole lines."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from budgauge.files import tail as tail_module
from budgauge.files.tail import ReplacedError
from budgauge.sources import long_line
from budgauge.sources import tail as log_module
from budgauge.sources.tail import LogOffset, log_lines


def test_lines_come_once_and_the_last_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo\nthr")
    at = LogOffset()
    assert lines(at, path) == [b"one\ntwo\n"]
    assert lines(at, path) == []
    with path.open("ab") as file:
        file.write("ee\u2028\n".encode())
    assert lines(at, path) == ["three\u2028\n".encode()]
    assert at.offset == path.stat().st_size
    assert at.size == path.stat().st_size


def lines(at: LogOffset, path: Path) -> list[bytes]:
    """What is new, in blocks."""
    return [block for block in log_lines(path, at) if block]


def test_blocks_meet_at_line_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "BLOCK_BYTES", 7)
    path = tmp_path / "log"
    written = [b"x" * n + b"\n" for n in range(20)]
    path.write_bytes(b"".join(written))
    blocks = lines(LogOffset(), path)
    assert b"".join(blocks) == path.read_bytes()
    assert all(block.endswith(b"\n") for block in blocks)


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize(("within", "skipped"), [(b'"usage"', 1), (b'"token_count"', 1), (b'"picture"', 0)])
def test_a_line_without_end_is_skipped_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: bool, within: bytes, skipped: int
) -> None:
    monkeypatch.setattr(tail_module, "BLOCK_BYTES", 8)
    monkeypatch.setattr(log_module, "MAX_LINE_BYTES", 32)
    path = tmp_path / "log"
    path.write_bytes(b"one\n" + b"x" * 500 + within + b"x" * 500 + (b"\ntwo\n" if ended else b""))
    at = LogOffset()
    given = b"".join(lines(at, path))
    if not ended:
        with path.open("ab") as file:
            file.write(b"xx\ntwo\n")
        given += b"".join(lines(at, path))
    assert given == b"one\ntwo\n"
    assert at.skipped_lines == skipped, "only a line that tells of usage is a loss"


PICTURE = "x" * 500
INNER = '{"usage":{"input_tokens":7},"type":"assistant","payload":{"type":"token_count"}}'
"""What a tool may have answered."""
LONG_LINES = [
    ('{"type":"user","toolUseResult":%s,"picture":"%s"}', 0),
    ('{"parentUuid":null,"toolUseResult":%s,"type":"user","picture":"%s"}', 0),
    ('{ "a" : [{"type":"assistant"}, 1.5, null, "\\"\\\\"], "b": %s, "type" : "user", "picture": "%s" }', 0),
    ('{"type":"response_item","payload":{"type":"function_call_output","output":%s},"picture":"%s"}', 0),
    ('{"type":"event_msg","payload":{"type":"mcp_tool_call_end","result":%s},"picture":"%s"}', 0),
    ('{"type":"event_msg","payload":{"result":%s,"type":"mcp_tool_call_end"},"picture":"%s"}', 0),
    ('{"type":"compacted","payload":{"history":%s},"picture":"%s"}', 0),
    ('{"type":"assistant","message":{"content":%s},"picture":"%s"}', 1),
    ('{"type":"event_msg","payload":{"type":"token_count","info":%s},"picture":"%s"}', 1),
    ('{"type":"event_msg","payload":{"type":"token_counts","info":%s},"picture":"%s"}', 1),
    ('{"payload":{"type":"token_count","info":%s},"type":"event_msg","picture":"%s"}', 1),
    ('{"type":"token_usage_record","payload":%s,"picture":"%s"}', 1),
    ('{"type":"model_usage","payload":%s,"picture":"%s"}', 1),
    ('{"type":{"type":"user"},"payload":%s,"picture":"%s"}', 1),
    ('{"payload":%s,"picture":"%s","type":"user"}', 1),
    ('[{"type":"user"},%s,"%s"]', 1),
    ('"type":"user",%s,"%s"', 1),
]


@pytest.mark.parametrize(("text", "skipped"), LONG_LINES)
@pytest.mark.parametrize("block_bytes", [8, 64])
def test_usage_within_a_tools_answer_is_no_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, skipped: int, block_bytes: int
) -> None:
    monkeypatch.setattr(tail_module, "BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(log_module, "MAX_LINE_BYTES", 350)
    path = tmp_path / "log"
    path.write_text(f"one\n{text % (INNER, PICTURE)}\ntwo\n")
    at = LogOffset()
    assert b"".join(lines(at, path)) == b"one\ntwo\n"
    assert at.skipped_lines == skipped


def test_the_kind_of_a_line_is_looked_for_in_bounded_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_line, "_MAX_STEPS", 100)
    head, tail = '{"a":', ',"type":"user"'
    assert long_line.holds_no_usage(f'{head}"{"x" * 10_000}"{tail}'.encode())
    for within in ("[" * 101 + "]" * 101, '"' + "\\n" * 101 + '"', ",".join(["{}"] * 101)):
        assert not long_line.holds_no_usage(f"{head}{within}{tail}".encode())


@pytest.mark.parametrize("text", ["", "{", '{"type', '{"type":"us', '{"type":user', "}", "]]", '{"type":"\\u0075ser"'])
def test_the_kind_of_a_line_that_says_none_is_unknown(text: str) -> None:
    assert not long_line.holds_no_usage(text.encode())


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
    at = LogOffset()
    lines(at, path)
    change(path)
    with pytest.raises(ReplacedError):
        lines(at, path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(OSError, match="not a regular file"):
        list(log_lines(tmp_path / "log", LogOffset()))

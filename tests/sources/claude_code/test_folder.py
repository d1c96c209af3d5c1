"""Where a Claude Code session was begun, wherever the agent went meanwhile."""

from __future__ import annotations

import json
from pathlib import Path

from budgauge.sources.claude_code.files import ClaudeCodeFormat
from budgauge.sources.claude_code.folder import session_folder
from budgauge.sources.log import Log


def lines(*folders: str | None) -> bytes:
    """A session's lines; the first tells of no usage."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    said = [
        {"type": "assistant", "cwd": folder, "message": {"id": f"m{n}", "model": "x", "usage": usage}}
        for n, folder in enumerate(folders[1:])
    ]
    return b"".join(json.dumps(one).encode() + b"\n" for one in ({"type": "user", "cwd": folders[0]}, *said))


def projects(log: Path) -> list[str | None]:
    format = ClaudeCodeFormat([])
    key = format.key_of(log)
    return [call.project for call in Log(log, format.parser(key, log, lambda _: None)).read()]


def test_the_first_line_that_names_a_folder_counts(tmp_path: Path) -> None:
    log = tmp_path / "s.jsonl"
    log.write_bytes(b'{"type": "summary"}\nnothing\n' + lines(None, "/app", "/app/src"))
    assert session_folder(log) == "/app"
    log.write_bytes(lines(None))
    assert session_folder(log) is None
    assert session_folder(tmp_path / "missing.jsonl") is None
    assert session_folder(tmp_path) is None


def test_a_session_that_changes_its_folder_stays_in_its_project(tmp_path: Path) -> None:
    log = tmp_path / "s.jsonl"
    log.write_bytes(lines("/app", "/app/src", "/elsewhere"))
    assert projects(log) == ["/app", "/app"]


def test_a_sub_agent_belongs_to_its_sessions_project(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_bytes(lines("/app", "/app"))
    log = tmp_path / "s" / "subagents" / "agent-a1.jsonl"
    log.parent.mkdir(parents=True)
    log.write_bytes(lines("/elsewhere", "/elsewhere"))
    assert projects(log) == ["/app"]

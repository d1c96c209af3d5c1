"""Which agents' logs are named."""

from __future__ import annotations

from pathlib import Path

from budgauge.sources.found import FoundLog, found_logs


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert found_logs({"HOME": str(tmp_path)}) == []


def test_the_usual_places(tmp_path: Path) -> None:
    for folder in (".codex/sessions", ".claude/projects", ".config/claude/projects"):
        (tmp_path / folder).mkdir(parents=True)
    assert found_logs({"HOME": str(tmp_path)}) == [
        FoundLog("codex", tmp_path / ".codex"),
        FoundLog("claude-code", tmp_path / ".config/claude/projects"),
        FoundLog("claude-code", tmp_path / ".claude/projects"),
    ]


def test_places_that_the_environment_names(tmp_path: Path) -> None:
    for folder in ("cx/archived_sessions", "a/projects", "b/projects", ".claude/projects", "c/projects"):
        (tmp_path / folder).mkdir(parents=True)
    env = {
        "HOME": str(tmp_path),
        "CODEX_HOME": str(tmp_path / "cx"),
        "CLAUDE_CONFIG_DIR": f"{tmp_path}/a, {tmp_path}/b/projects,{tmp_path}/a/projects,~/c,",
    }
    assert [log.path for log in found_logs(env)] == [
        tmp_path / "cx",
        tmp_path / "a/projects",
        tmp_path / "b/projects",
        tmp_path / "c/projects",
    ]

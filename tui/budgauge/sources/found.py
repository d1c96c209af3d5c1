"""Agents whose session logs are on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from budgauge.config.find import codex_home, home_folder
from budgauge.sources.claude_code.files import ClaudeCodeFormat
from budgauge.sources.codex.files import CodexFormat
from budgauge.sources.name import AgentNames


class FoundLog(msgspec.Struct, frozen=True):
    """One agent's folder of session logs."""

    name: str
    """As `budgauge collect` calls the agent."""
    path: Path


def found_logs(env: Mapping[str, str]) -> list[FoundLog]:
    """Return the log folders that exist, Codex's first."""
    codex, claude_code = formats(env)
    found = [FoundLog(codex.name, root.parent) for root in codex.roots if root.is_dir()][:1]
    return found + [FoundLog(claude_code.name, root) for root in claude_code.roots if root.is_dir()]


def formats(env: Mapping[str, str], names: AgentNames = AgentNames()) -> tuple[CodexFormat, ClaudeCodeFormat]:
    """Return the formats of all agents whose logs can be collected; `names` gives agents their ids."""
    return CodexFormat(codex_home(env), names), ClaudeCodeFormat(claude_projects(env), names)


def claude_projects(env: Mapping[str, str]) -> list[Path]:
    """Claude Code's folders of projects, whether they exist or not, each once."""
    roots = (root if root.name == "projects" else root / "projects" for root in _claude_roots(env, home_folder(env)))
    return list({os.path.realpath(root): root for root in roots}.values())


def _claude_roots(env: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Yield a comma-separated list's folders, as other readers of these logs do, else both default places."""
    listed = [part.strip() for part in env.get("CLAUDE_CONFIG_DIR", "").split(",")]
    if any(listed):
        yield from (home / part[2:] if part.startswith("~/") else Path(part) for part in listed if part)
        return
    yield Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "claude"
    yield home / ".claude"

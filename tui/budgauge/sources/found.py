"""Which agents have left session logs on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from budgauge.config.find import codex_home, home_folder


class FoundLog(msgspec.Struct, frozen=True):
    """One agent's folder of session logs."""

    name: str
    """As `budgauge collect` calls the agent."""
    path: Path
    collectable: bool = True
    """Can this version read them?"""


def found_logs(env: Mapping[str, str]) -> list[FoundLog]:
    """The log folders that exist, Codex's first."""
    home, codex = home_folder(env), codex_home(env)
    found = []
    if any((codex / folder).is_dir() for folder in ("sessions", "archived_sessions")):
        found.append(FoundLog("codex", codex))
    for root in _claude_roots(env, home):
        projects = root if root.name == "projects" else root / "projects"
        log = FoundLog("claude-code", projects, collectable=False)
        if projects.is_dir() and log not in found:
            found.append(log)
    return found


def _claude_roots(env: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Claude Code's own rule: a comma-separated list, else both default places."""
    listed = [part.strip() for part in env.get("CLAUDE_CONFIG_DIR", "").split(",")]
    if any(listed):
        yield from (home / part[2:] if part.startswith("~/") else Path(part) for part in listed if part)
        return
    yield Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "claude"
    yield home / ".claude"

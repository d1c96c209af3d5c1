"""`budgauge hook install`: what is written, and by whom the agent is told to be answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("agent", ["codex", "claude-code"])
def test_the_change_is_shown_made_and_taken_back(own_place: Path, agent: str) -> None:
    path = own_place / (".codex/config.toml" if agent == "codex" else ".claude/settings.json")
    path.parent.mkdir()
    before = "# mine\n" if agent == "codex" else '{\n  "model": "opus"\n}\n'
    path.write_text(before, encoding="utf-8")
    shown = run(agent)
    assert f"+++ {path}" in shown
    assert "PreToolUse" in path.read_text(encoding="utf-8")
    assert "nothing to change" in run(agent)
    run(agent, "--uninstall")
    assert path.read_text(encoding="utf-8") == before


def test_the_command_is_of_this_installation_whatever_stands_on_the_path(own_place: Path) -> None:
    other = own_place / "bin" / "budgauge"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    run("claude-code", path=f"{other.parent}{os.pathsep}{os.environ['PATH']}")
    settings = json.loads((own_place / ".claude" / "settings.json").read_text(encoding="utf-8"))
    command = settings["hooks"]["Stop"][0]["hooks"][0]["command"]
    assert str(Path(sys.executable).parent) in command
    done = subprocess.run(command, shell=True, input=b'{"hook_event_name": "Stop"}', capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_it_says_where_no_budget_is_set(own_place: Path) -> None:
    said = "no budget is set, so nothing will be refused"
    assert said in completed("claude-code").stderr
    assert said in completed("claude-code").stderr, "also where nothing is to change"
    assert said not in completed("claude-code", "--uninstall").stderr
    (own_place / ".codex").mkdir()
    (own_place / ".codex" / "config.toml").write_text("[token_budget.per_agent_limits]\na = 5\n", encoding="utf-8")
    assert said not in completed("claude-code").stderr


def run(agent: str, *more: str, path: str | None = None) -> str:
    """What the command says on standard output."""
    return completed(agent, *more, path=path).stdout


def completed(agent: str, *more: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    env = {**os.environ, "PATH": path or os.environ["PATH"]}
    command = [sys.executable, "-m", "budgauge", "hook", "install", agent, *more]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env)

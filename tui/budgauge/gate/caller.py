"""The agent of a hook call: found by the call and the installed command, never guessed."""

import os
from collections.abc import Mapping

from budgauge.gate.call import HookCall
from budgauge.sources.name import CLAUDE_CODE, CODEX

CALLERS = (CLAUDE_CODE, CODEX, "copilot", "droid", "gemini", "kilo", "kimi", "opencode", "pi", "qwen")
"""Agents that have hooks, by the names that `budgauge hook` takes."""
_FOLDERS = {"/.qwen/": "qwen", "/.factory/": "droid"}
"""Folder on the way to a session's log → the agent that owns the folder."""
_VARIABLES = {"COPILOT_CLI": "copilot", "QWEN_CODE_SESSION_ID": "qwen", "GEMINI_SESSION_ID": "gemini"}
"""Variables set by one agent alone for its hooks. Several agents set CLAUDE_PROJECT_DIR."""


def caller_of(call: HookCall, said: str, env: Mapping[str, str]) -> str:
    """Return the agent of a call; empty where nothing names an agent.

    `said` is the name in the command. A command may have been copied from one agent's settings to
    another's, so the call itself is stronger. All programs below an agent inherit the environment, so it
    is read only where the command names no agent, or Claude Code, whose hooks other agents import.
    """
    if shown := _by_call(call):
        return shown
    if said not in ("", CLAUDE_CODE):
        return said
    return next((name for key, name in _VARIABLES.items() if env.get(key)), said)


def _by_call(call: HookCall) -> str:
    path = call.transcript_path or ""
    if call.client_type == "kimi_code_cli":
        return "kimi"
    if call.hook_event_name.startswith(("Before", "After")):
        return "gemini"
    if call.turn_id is not None or os.path.basename(path).startswith("rollout-"):
        return CODEX
    for folder, name in _FOLDERS.items():
        if folder in path:
            return name
    is_claude = os.path.basename(os.path.dirname(os.path.dirname(path))) == "projects"
    return CLAUDE_CODE if is_claude and path.endswith(".jsonl") else ""

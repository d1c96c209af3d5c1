"""Which agent asks: as the installed command says, else as its call shows. It is never guessed."""

import os
from collections.abc import Mapping

from budgauge.gate.call import HookCall
from budgauge.sources.name import CLAUDE_CODE, CODEX

ASKERS = (CLAUDE_CODE, CODEX, "copilot", "droid", "gemini", "kilo", "kimi", "opencode", "pi", "qwen")
"""Agents that have hooks, by the names that `budgauge hook` takes."""
_FOLDERS = {"/.qwen/": "qwen", "/.factory/": "droid"}
"""A folder on the way to a session's log, and whose it is."""
_VARIABLES = {"COPILOT_CLI": "copilot", "QWEN_CODE_SESSION_ID": "qwen", "GEMINI_SESSION_ID": "gemini"}
"""Variables that agents set for their hooks. CLAUDE_PROJECT_DIR is set by several of them."""


def asker_of(call: HookCall, said: str, env: Mapping[str, str]) -> str:
    """The agent that asks; empty where nothing tells it.

    `said` is the name in the command. A command may have been copied from one agent's settings to
    another's: what the call itself shows is stronger. The environment is inherited by all programs
    below an agent: it is asked where the command names none, or Claude Code, whose hooks others import.
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

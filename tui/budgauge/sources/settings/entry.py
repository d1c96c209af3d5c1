"""Our hook entries, and their places among an agent's events, in decoded values as in tomlkit's."""

from __future__ import annotations

from typing import Any, Literal

from budgauge.sources.settings.command import is_our_command

Agent = Literal["codex", "claude-code"]
Value = Any  # JSON's and TOML's values, and tomlkit's, which act like them: each is looked at before it is used

EVENTS: dict[Agent, tuple[str, ...]] = {
    "codex": ("UserPromptSubmit", "PreToolUse", "PostToolUse", "PostModelRequest", "SubagentStop", "Stop"),
    "claude-code": ("UserPromptSubmit", "PreToolUse", "PostToolUse", "SubagentStop", "Stop", "SessionEnd"),
}
TIMEOUT_SECONDS = 10
_MATCHED = ("PreToolUse", "PostToolUse")
"""Claude Code's events that are about a tool, which a group of hooks must match."""


def is_ours(hook: Value) -> bool:
    """Return True if an entry, which may be anything, calls us."""
    if not isinstance(hook, dict) or hook.get("type") != "command":
        return False
    command = hook.get("command")
    return isinstance(command, str) and is_our_command(command)


def hooks_of(group: Value) -> list[Value]:
    """Return a group's entries; none for any other layout."""
    hooks = group.get("hooks") if isinstance(group, dict) else None
    return hooks if isinstance(hooks, list) else []


def ours_in(groups: Value) -> list[dict[str, Value]]:
    """Return our entries at an event. Several are a user's choice of matchers, and stay several."""
    if not isinstance(groups, list):
        return []
    return [hook for group in groups for hook in hooks_of(group) if is_ours(hook)]


def new_group(agent: Agent, event: str, command: str) -> dict[str, Value]:
    """Return a group with our entry alone."""
    matcher = {"matcher": "*"} if agent == "claude-code" and event in _MATCHED else {}
    return {**matcher, "hooks": [{"type": "command", "command": command, "timeout": TIMEOUT_SECONDS}]}


def point(groups: Value, command: str) -> bool:
    """Make our entries run this command, with all else unchanged; False if there are none."""
    ours = ours_in(groups)
    for hook in ours:
        if hook["command"] != command:
            hook["command"] = command
    return bool(ours)


def take_out(groups: list[Value]) -> None:
    """Remove our entries, and groups without any other."""
    for at in reversed(range(len(groups))):
        hooks = hooks_of(groups[at])
        ours = [place for place, hook in enumerate(hooks) if is_ours(hook)]
        if ours and len(ours) == len(hooks):
            del groups[at]
        else:
            for place in reversed(ours):
                del hooks[place]


def install(hooks: dict[str, Value], agent: Agent, command: str) -> None:
    """Put our entry at each of the agent's events, or point the old one to the command."""
    for event in EVENTS[agent]:
        if not point(hooks.get(event), command):
            hooks.setdefault(event, []).append(new_group(agent, event, command))


def uninstall(hooks: dict[str, Value]) -> None:
    """Remove our entries at all events, and the events left empty."""
    for event in [event for event, groups in hooks.items() if ours_in(groups)]:
        take_out(hooks[event])
        if not hooks[event]:
            del hooks[event]

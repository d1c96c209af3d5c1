"""What a hook entry of ours is, and how events get and lose it: the same for decoded values and for tomlkit's."""

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
    """Whether an entry, which may be anything, calls us."""
    if not isinstance(hook, dict) or hook.get("type") != "command":
        return False
    command = hook.get("command")
    return isinstance(command, str) and is_our_command(command)


def hooks_of(group: Value) -> list[Value]:
    """A group's entries; none if it is laid out otherwise."""
    hooks = group.get("hooks") if isinstance(group, dict) else None
    return hooks if isinstance(hooks, list) else []


def ours_in(groups: Value) -> list[dict[str, Value]]:
    """Our entries at an event. Several are somebody's choice of matchers, and stay several."""
    if not isinstance(groups, list):
        return []
    return [hook for group in groups for hook in hooks_of(group) if is_ours(hook)]


def new_group(agent: Agent, event: str, command: str) -> dict[str, Value]:
    """A group that holds nothing but our entry."""
    matcher = {"matcher": "*"} if agent == "claude-code" and event in _MATCHED else {}
    return {**matcher, "hooks": [{"type": "command", "command": command, "timeout": TIMEOUT_SECONDS}]}


def point(groups: Value, command: str) -> bool:
    """Make our entries run this command, all else about them as somebody set it; False if there are none."""
    ours = ours_in(groups)
    for hook in ours:
        if hook["command"] != command:
            hook["command"] = command
    return bool(ours)


def take_out(groups: list[Value]) -> None:
    """Without our entries, and the groups that had no others."""
    for at in reversed(range(len(groups))):
        hooks = hooks_of(groups[at])
        ours = [place for place, hook in enumerate(hooks) if is_ours(hook)]
        if ours and len(ours) == len(hooks):
            del groups[at]
        else:
            for place in reversed(ours):
                del hooks[place]


def install(hooks: dict[str, Value], agent: Agent, command: str) -> None:
    """Our entry at each of the agent's events, new or pointed to the command."""
    for event in EVENTS[agent]:
        if not point(hooks.get(event), command):
            hooks.setdefault(event, []).append(new_group(agent, event, command))


def uninstall(hooks: dict[str, Value]) -> None:
    """None of our entries at any event, and no event that only they were at."""
    for event in [event for event, groups in hooks.items() if ours_in(groups)]:
        take_out(hooks[event])
        if not hooks[event]:
            del hooks[event]

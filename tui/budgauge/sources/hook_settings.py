"""An agent's settings file with our entries, and without them: where it is, and what would be written to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from budgauge.config.find import codex_home, home_folder
from budgauge.errors import ConfigError
from budgauge.sources.claude_code import hooks as claude_settings
from budgauge.sources.codex import hooks as codex_settings
from budgauge.sources.settings.change import Change, read
from budgauge.sources.settings.entry import EVENTS, Agent, Value, install, is_our_command, ours_in, uninstall

_BOM = "\ufeff"


def settings_file(agent: Agent, env: Mapping[str, str], project: Path | None) -> Path:
    """Where an agent looks for hooks: the project's file if one is given, else the user's own."""
    if agent == "codex":
        return settings_in(agent, project / ".codex" if project else codex_home(env))
    return settings_in(agent, project / ".claude" if project else _claude_home(env))


def settings_in(agent: str, home: Path) -> Path:
    """An agent's settings file in a folder of its own."""
    return home / ("config.toml" if agent == "codex" else "settings.json")


def _claude_home(env: Mapping[str, str]) -> Path:
    """$CLAUDE_CONFIG_DIR as it stands, for Claude Code takes it so, list or not; default ~/.claude."""
    named = env.get("CLAUDE_CONFIG_DIR")
    return Path(named).absolute() if named else home_folder(env) / ".claude"


def installed(agent: Agent, path: Path, command: str) -> Change:
    """The settings with our command at each of `EVENTS`; an entry of ours that is there gets this command.

    Raises ConfigError if the file cannot be read or edited, or if `command` would not be known again as ours.
    """
    if not is_our_command(command) or re.search("[\ud800-\udfff\0\r\n]", command):
        raise ConfigError(
            f"hook command {command!r} is none that uninstall would find again",
            hint="Use `/path/to/budgauge hook` or `/path/to/python -m budgauge hook`.",
        )
    return _changed(agent, path, command)


def uninstalled(agent: Agent, path: Path) -> Change:
    """The settings without our entries, at any event, and without what that empties. Raises ConfigError."""
    return _changed(agent, path, None)


def commands_at(agent: Agent, path: Path) -> dict[str, str]:
    """event → the command of ours that an agent's settings call there. Raises ConfigError."""
    text = read(path).removeprefix(_BOM)
    document = codex_settings.decoded(path, text) if agent == "codex" else claude_settings.decoded(path, text)
    hooks = document.get("hooks", {})
    _check_types(path, hooks, agent)
    return {event: str(ours[0]["command"]) for event, groups in hooks.items() if (ours := ours_in(groups))}


def is_whole(agent: Agent, path: Path) -> bool:
    """Do an agent's settings call us at each of its events? Raises ConfigError."""
    return commands_at(agent, path).keys() >= set(EVENTS[agent])


def _changed(agent: Agent, path: Path, command: str | None) -> Change:
    """The change to our command at each event; to none of ours if it is None."""
    before = read(path)
    text = before.removeprefix(_BOM)
    decoded = codex_settings.decoded if agent == "codex" else claude_settings.decoded
    document, wanted = decoded(path, text), decoded(path, text)
    _check_types(path, document.get("hooks", {}), agent)
    hooks = wanted.setdefault("hooks", {})
    install(hooks, agent, command) if command else uninstall(hooks)
    if hooks == document.get("hooks", {}):
        return Change(path, before, before)
    try:
        after = codex_settings.edited(text, command) if agent == "codex" else claude_settings.edited(text, hooks)
        is_right = _meaning(decoded(path, after)) == _meaning(wanted)
    except (ValueError, RecursionError):
        is_right = False
    if not is_right:
        raise ConfigError(
            f"{path}: its hooks are laid out in a way that cannot be edited safely; nothing was changed",
            hint="Lay them out as the agent's manual does, or edit our entries by hand.",
        )
    return Change(path, before, before[: len(before) - len(text)] + after)


def _check_types(path: Path, hooks: Value, agent: Agent) -> None:
    if not isinstance(hooks, dict):
        raise ConfigError(f"{path}: hooks: must hold events and their hooks", hint="Correct or remove that key.")
    for event in EVENTS[agent]:
        if not isinstance(hooks.get(event, []), list):
            raise ConfigError(f"{path}: hooks.{event}: must be a list of groups", hint="Correct or remove that key.")


def _meaning(document: dict[str, Value]) -> dict[str, Value]:
    """A document for comparison: an empty event is the same as none, and the order at an event says nothing."""
    events = document.get("hooks", {}).items()
    hooks = {event: sorted(it, key=repr) if isinstance(it, list) else it for event, it in events if it != []}
    return {**document, "hooks": hooks}

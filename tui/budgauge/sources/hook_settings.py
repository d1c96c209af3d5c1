"""Agents' settings files, and the changes to install or remove our hooks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from budgauge.config.find import codex_home, home_folder
from budgauge.errors import ConfigError
from budgauge.sources.codex import hooks as codex_settings
from budgauge.sources.settings import json_hooks
from budgauge.sources.settings.change import Change, check_target, read
from budgauge.sources.settings.command import is_our_command
from budgauge.sources.settings.entry import EVENTS, Agent, Value, install, ours_in, uninstall

_BOM = "\ufeff"


def settings_files(agent: Agent, env: Mapping[str, str], project: Path | None) -> tuple[Path, ...]:
    """Return every file in which an agent looks for hooks: of the project if one is given, else of the user.

    The first is the one for new hooks. Codex warns where both of its files hold hooks, so a
    hooks.json that exists comes first. Claude Code's settings.local.json is not shared with others.
    """
    if agent == "codex":
        return users_files(agent, project / ".codex" if project else codex_home(env))
    if project is None:
        return users_files(agent, claude_home(env))
    return project / ".claude" / "settings.local.json", project / ".claude" / "settings.json"


def users_files(agent: Agent, home: Path) -> tuple[Path, ...]:
    """Return every file in an agent's own folder in which the agent looks for hooks, the one for new hooks first."""
    if agent == "codex":
        files = home / "hooks.json", home / "config.toml"
        return files if files[0].is_file() else files[::-1]
    return (home / "settings.json",)


def installation(
    agent: Agent, files: Sequence[Path], command: str, *, within: Path | None = None
) -> tuple[Change, ...]:
    """The changes after which one of an agent's files calls us, and no other. Raises ConfigError.

    An entry that is there stays in its file; Codex's moves into the first file.
    No link may lead out of the folder `within`.
    """
    for path in files:
        check_target(path, within)
    holding = [path for path in files if commands_at(agent, path)]
    target = holding[0] if holding and agent != "codex" else files[0]
    return tuple(
        installed(agent, path, command, within=within) if path == target else uninstalled(agent, path, within=within)
        for path in sorted(files, key=lambda path: path != target)
    )


def removal(agent: Agent, files: Sequence[Path], *, within: Path | None = None) -> tuple[Change, ...]:
    """The changes after which none of an agent's files calls us. Raises ConfigError."""
    return tuple(uninstalled(agent, path, within=within) for path in files)


def claude_home(env: Mapping[str, str]) -> Path:
    """Return $CLAUDE_CONFIG_DIR unchanged, list or not, as Claude Code does; default ~/.claude."""
    named = env.get("CLAUDE_CONFIG_DIR")
    return Path(named).absolute() if named else home_folder(env) / ".claude"


def installed(agent: Agent, path: Path, command: str, *, within: Path | None = None) -> Change:
    """Return the change that puts our command at each of `EVENTS`. Our old entries get this command.

    Raises ConfigError if the file cannot be read or edited, or if `command` would not be known again as ours.
    """
    if not is_our_command(command) or re.search("[\ud800-\udfff\0\r\n]", command):
        raise ConfigError(
            f"hook command {command!r} is none that uninstall would find again",
            hint=f"Use `/path/to/budgauge hook {agent}` or `/path/to/python -P -m budgauge hook {agent}`.",
        )
    return _changed(agent, path, command, within)


def uninstalled(agent: Agent, path: Path, *, within: Path | None = None) -> Change:
    """Return the change that removes our entries at all events, with emptied groups. Raises ConfigError."""
    return _changed(agent, path, None, within)


def commands_at(agent: Agent, path: Path) -> dict[str, str]:
    """Return event → our command there, in an agent's settings. Raises ConfigError."""
    hooks = hooks_in(agent, path)
    return {event: str(ours[0]["command"]) for event, groups in hooks.items() if (ours := ours_in(groups))}


def are_whole(agent: Agent, files: Sequence[Path]) -> bool:
    """Return True if an agent's settings call us at each of the agent's events. Raises ConfigError."""
    return {event for path in files for event in commands_at(agent, path)} >= set(EVENTS[agent])


def hooks_in(agent: Agent, path: Path) -> dict[str, Value]:
    """Return event → groups of hooks, in an agent's settings. Raises ConfigError."""
    decoded = codex_settings.decoded if _is_toml(agent, path) else json_hooks.decoded
    hooks: dict[str, Value] = decoded(path, read(path).removeprefix(_BOM)).get("hooks", {})
    _check_types(path, hooks, agent)
    return hooks


def _is_toml(agent: Agent, path: Path) -> bool:
    """Return whether the file is Codex's config.toml; all others are JSON."""
    return agent == "codex" and path.suffix != ".json"


def _changed(agent: Agent, path: Path, command: str | None, within: Path | None) -> Change:
    """Return the change to our command at each event, or without our entries if the command is None."""
    check_target(path, within)
    before = read(path)
    text = before.removeprefix(_BOM)
    is_toml = _is_toml(agent, path)
    decoded = codex_settings.decoded if is_toml else json_hooks.decoded
    document, wanted = decoded(path, text), decoded(path, text)
    _check_types(path, document.get("hooks", {}), agent)
    hooks = wanted.setdefault("hooks", {})
    install(hooks, agent, command) if command else uninstall(hooks)
    if hooks == document.get("hooks", {}):
        return Change(path, before, before, within)
    try:
        after = codex_settings.edited(text, command) if is_toml else json_hooks.edited(text, hooks)
        is_right = _meaning(decoded(path, after)) == _meaning(wanted)
    except (ValueError, RecursionError):
        is_right = False
    if not is_right:
        raise ConfigError(
            f"{path}: its hooks are laid out in a way that cannot be edited safely; nothing was changed",
            hint="Lay them out as the agent's manual does, or edit our entries by hand.",
        )
    return Change(path, before, before[: len(before) - len(text)] + after, within)


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

"""Settings that keep an agent from calling the gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from budgauge.config.find import codex_home
from budgauge.errors import ConfigError
from budgauge.sources.claude_code import switches as claude_switches
from budgauge.sources.codex import switches as codex_switches
from budgauge.sources.hook_settings import claude_home, hooks_in, settings_files
from budgauge.sources.settings.entry import Agent, ours_in


def project_folders(start: Path) -> tuple[Path, ...]:
    """Return the folders whose settings an agent reads: `start`, and those above up to the repository's root."""
    above = (start, *start.parents)
    root = next((at for at, folder in enumerate(above) if (folder / ".git").exists()), 0)
    return above[: root + 1]


def obstacles(agent: Agent, env: Mapping[str, str], start: Path) -> tuple[str, ...]:
    """Return the settings that keep an agent, started in a folder, from calling the gate, each with its file."""
    folders = project_folders(start)
    if agent == "claude-code":
        return tuple(claude_switches.switched_off(claude_home(env), folders, env))
    home = codex_home(env)
    found = [*codex_switches.switched_off(home, folders), *_distrusted(env, folders)]
    return tuple(dict.fromkeys(found))


def _distrusted(env: Mapping[str, str], folders: Sequence[Path]) -> Iterator[str]:
    """Yield our hooks that Codex skips, for lack of the user's trust in them or in their project."""
    own = settings_files("codex", env, None)
    named = [path for folder in folders for path in settings_files("codex", env, folder) if path not in own]
    for path in (*own, *named):
        try:
            users = codex_switches.config_in(codex_home(env))
            hooks = hooks_in("codex", path)
        except ConfigError as error:
            yield str(error)
            continue
        if path in named and not codex_switches.is_trusted(users, folders) and any(map(ours_in, hooks.values())):
            yield f"{path}: Codex reads no hooks here until you trust this folder"
        else:
            yield from codex_switches.distrusted(users, path, hooks)

"""Claude Code's settings that keep hooks from being called, or take the user's budget away from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from budgauge.errors import ConfigError
from budgauge.sources.settings.change import read
from budgauge.sources.settings.entry import Value
from budgauge.sources.settings.json_hooks import decoded

MANAGED = (Path("/etc/claude-code"), Path("/Library/Application Support/ClaudeCode"))
"""Where an administrator's settings are: on Linux, on macOS."""
_WEAKENING = re.compile(r"CODEX_TOKEN_|CODEX_HOME\Z|HOME\Z|XDG_|PYTHON|LD_|DYLD_")
"""Variables by which a hook finds budget and ledger, or is loaded."""
_BARE = ("CLAUDE_CODE_SIMPLE", "CLAUDE_CODE_SAFE_MODE")
"""Variables with which Claude Code calls no hooks; those that a project sets have no effect."""


def switched_off(home: Path, folders: Sequence[Path], env: Mapping[str, str]) -> Iterator[str]:
    """Yield, file by file, the settings that keep Claude Code, started in the first folder, from calling the gate.

    `home` is the user's settings folder. Of the folders, each lies in the next.
    """
    troubles: list[str] = []
    users = _documents([home / "settings.json"], troubles)
    managed = _documents([home / "remote-settings.json", *_managed_files()], troubles)
    own = [folder / ".claude" / name for folder in folders for name in ("settings.local.json", "settings.json")]
    projects = _documents([path for path in own if path not in users], troubles)
    yield from troubles
    for path, document in {**managed, **projects, **users}.items():
        # The strongest file that has the key decides.
        if (value := document.get("disableAllHooks")) is not None:
            if value is not False:
                yield f"{path}: disableAllHooks is set: no hook is called"
            break
    for path, document in managed.items():
        if document.get("allowManagedHooksOnly") is True:
            yield f"{path}: allowManagedHooksOnly is set: only your administrator's hooks are called"
        only = document.get("strictPluginOnlyCustomization")
        if only is True or (isinstance(only, list) and "hooks" in only):
            yield f"{path}: strictPluginOnlyCustomization is set: only hooks of plugins are called"
    for path, document in projects.items():
        for name in sorted(filter(_WEAKENING.match, _variables(document))):
            yield f"{path}: env sets {name} for the hook: a project must not choose budget or ledger"
    for path, document in {**managed, **users}.items():
        yield from (f"{path}: env sets {name}: no hook is called" for name in _bare(_variables(document)))
    yield from (f"${name} is set: no hook is called" for name in _bare(env))


def _managed_files() -> Iterator[Path]:
    for folder in MANAGED:
        yield from sorted((folder / "managed-settings.d").glob("*.json"), reverse=True)
        yield folder / "managed-settings.json"


def _documents(paths: Sequence[Path], troubles: list[str]) -> dict[Path, dict[str, Value]]:
    """Return each file's values. The error of an unreadable file is added to `troubles`."""
    found: dict[Path, dict[str, Value]] = {}
    for path in paths:
        try:
            found[path] = decoded(path, read(path).removeprefix("\ufeff"))
        except ConfigError as error:
            troubles.append(str(error))
    return found


def _variables(document: dict[str, Value]) -> dict[str, Value]:
    variables = document.get("env")
    return variables if isinstance(variables, dict) else {}


def _bare(variables: Mapping[str, Value]) -> list[str]:
    return [name for name in _BARE if str(variables.get(name, "")).lower() not in ("", "0", "false", "no", "off")]

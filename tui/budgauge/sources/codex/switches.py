"""Codex's settings that keep hooks from being called: features switched off, and missing trust."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from budgauge.errors import ConfigError
from budgauge.sources.codex.hooks import decoded
from budgauge.sources.settings.change import read
from budgauge.sources.settings.entry import Value, hooks_of, is_ours

SYSTEM = Path("/etc/codex")
"""Where an administrator's config is."""
_HASHED = {"type", "command", "timeout", "async", "statusMessage"}
"""The keys of an entry whose hash is known."""
_TIMEOUT_SECONDS = 600
"""Codex's own, where an entry sets none."""


def switched_off(home: Path, folders: Sequence[Path]) -> Iterator[str]:
    """Yield, file by file, the settings that keep Codex, started in the first folder, from calling any hook.

    `home` is the user's config folder. Of the folders, each lies in the next.
    """
    troubles: list[str] = []
    users = _document(home / "config.toml", troubles)
    trusted = folders if is_trusted(users, folders) else ()
    requirements = SYSTEM / "requirements.toml"
    paths = [requirements, SYSTEM / "managed_config.toml", *(folder / ".codex" / "config.toml" for folder in trusted)]
    documents = {path: _document(path, troubles) for path in paths}
    documents |= {home / "config.toml": users}
    documents |= {SYSTEM / "config.toml": _document(SYSTEM / "config.toml", troubles)}
    yield from troubles
    for path, document in documents.items():
        # The strongest file that has the key decides.
        if (found := _feature(document)) is not None:
            name, value = found
            if value is not True:
                yield f"{path}: features.{name} is off: no hook is called"
            break
    if documents[requirements].get("allow_managed_hooks_only") is True:
        yield f"{requirements}: allow_managed_hooks_only is set: only your administrator's hooks are called"


def config_in(home: Path) -> dict[str, Value]:
    """Return the values of the user's config. Raises ConfigError."""
    path = home / "config.toml"
    return decoded(path, read(path).removeprefix("\ufeff"))


def is_trusted(users: dict[str, Value], folders: Sequence[Path]) -> bool:
    """Return True if the user's config trusts the project, whose config Codex reads then."""
    projects = users.get("projects")
    if not isinstance(projects, dict):
        return False
    asked = (*folders, *_main_checkout(folders[-1]))
    names = {str(path) for folder in asked for path in (folder, Path(os.path.realpath(folder)))}
    entries = [entry for name, entry in projects.items() if name in names and isinstance(entry, dict)]
    return any(entry.get("trust_level") == "trusted" for entry in entries)


def _main_checkout(root: Path) -> Iterator[Path]:
    """Yield the repository of a linked worktree: Codex asks for trust in this one."""
    with suppress(OSError, ValueError):
        link = (root / ".git").read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        gitdir = root / link
        if gitdir.parent.name == "worktrees":
            yield gitdir.parent.parent.parent


def distrusted(users: dict[str, Value], path: Path, hooks: dict[str, Value]) -> Iterator[str]:
    """Yield our hooks in the file `path` that Codex skips for lack of trust, which the user's config keeps."""
    events: dict[str, list[str]] = {}
    table = users.get("hooks")
    states = table.get("state") if isinstance(table, dict) else None
    for event, group_at, hook_at in _ours(hooks):
        group = hooks[event][group_at]
        keys = (f"{name}:{event_label(event)}:{group_at}:{hook_at}" for name in (path, os.path.realpath(path)))
        state = next((states[key] for key in keys if key in states), None) if isinstance(states, dict) else None
        if reason := _reason(state if isinstance(state, dict) else {}, event, group, hooks_of(group)[hook_at]):
            events.setdefault(reason, []).append(event)
    for reason, named in events.items():
        yield f"{path}: {reason}: {', '.join(dict.fromkeys(named))}"


def _ours(hooks: dict[str, Value]) -> Iterator[tuple[str, int, int]]:
    """Yield the places of our entries: the event, the group's place, and the entry's place in the group."""
    for event, groups in hooks.items():
        for group_at, group in enumerate(groups if isinstance(groups, list) else ()):
            yield from ((event, group_at, at) for at, hook in enumerate(hooks_of(group)) if is_ours(hook))


def _reason(state: dict[str, Value], event: str, group: Value, hook: Value) -> str | None:
    """Return the reason why Codex skips an entry; None if it does not."""
    if state.get("enabled") is False:
        return "Codex has these hooks switched off (/hooks)"
    trusted = state.get("trusted_hash")
    if not isinstance(trusted, str):
        return "Codex skips these hooks until you trust them (/hooks)"
    if set(hook) <= _HASHED and trusted not in hashes(event, group.get("matcher"), hook):
        return "Codex skips these hooks, which were changed, until you trust them again (/hooks)"
    return None


def hashes(event: str, matcher: Value, hook: dict[str, Value]) -> Iterator[str]:
    """Yield the hashes of an entry as Codex 0.171 makes them. Some events leave the matcher out."""
    entry = {"async": False, "timeout": _TIMEOUT_SECONDS, **hook}
    identity: dict[str, Value] = {"event_name": event_label(event), "hooks": [entry]}
    for content in (identity, {**identity, "matcher": matcher}):
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        yield "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def event_label(event: str) -> str:
    """Return an event's name as in Codex's state."""
    return re.sub(r"(?<=.)([A-Z])", r"_\1", event).lower()


def _feature(document: dict[str, Value]) -> tuple[str, Value] | None:
    """Return the key that switches hooks on or off, with the value; None if missing."""
    features = document.get("features")
    if not isinstance(features, dict):
        return None
    return next(((name, features[name]) for name in ("hooks", "codex_hooks") if name in features), None)


def _document(path: Path, troubles: list[str]) -> dict[str, Value]:
    """Return a file's values. The error of an unreadable file is added to `troubles`."""
    try:
        return decoded(path, read(path).removeprefix("\ufeff"))
    except ConfigError as error:
        troubles.append(str(error))
        return {}

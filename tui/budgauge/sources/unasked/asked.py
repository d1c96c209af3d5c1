"""Sessions that called the gate, and the hooks that call.

Both are kept in the user's cache folder and nowhere else. A cleared cache loses both, so it accuses nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from budgauge.files.cache import CacheFile, short_name

FORGET_SECONDS = 30 * 86_400
"""Notes of a session are kept for so long after their last change."""
_MOST = 500
"""The number of hooks remembered, the latest ones."""
_FILE = "hooks.since"


class Hook(msgspec.Struct, frozen=True, array_like=True):
    """Hooks of an agent, by which sessions call the gate."""

    agent: str
    """As `budgauge collect` calls it."""
    home: str
    """The agent's own folder, such as `~/.claude`, links resolved; empty for any."""
    folder: str
    """Sessions that begin in this folder or below call, links resolved; empty for all sessions."""
    since: float
    """Unix seconds."""

    @property
    def place(self) -> tuple[str, str, str]:
        """The fields that tell hooks apart."""
        return self.agent, self.home, self.folder

    def covers(self, agent: str, home: str, folder: str) -> bool:
        """Return True if an agent's sessions with logs in `home`, begun in `folder`, call."""
        return (
            self.agent == agent
            and self.home in ("", home)
            and (self.folder in ("", folder) or folder.startswith(self.folder.rstrip(os.sep) + os.sep))
        )


_decoder = msgspec.msgpack.Decoder(list[Hook])


def read_hooks(cache: Path) -> list[Hook]:
    """Return the known hooks."""
    return CacheFile(cache / _FILE, _decoder).read() or []


def add_hook(cache: Path, hook: Hook, *, afresh: bool = False) -> None:
    """Remember hooks. Known ones keep their earlier moment, except with `afresh`."""
    hooks = {known.place: known for known in read_hooks(cache)}
    known = hooks.get(hook.place)
    if afresh or known is None or known.since > hook.since:
        hooks.pop(hook.place, None)
        _write(cache, [*hooks.values(), hook])


def forget_hooks(cache: Path, agent: str, *, home: str = "", folder: str = "") -> None:
    """Forget an agent's hooks: those of a folder if one is given, else all of `home`."""
    hooks = read_hooks(cache)
    kept = [hook for hook in hooks if hook.agent != agent or (hook.folder != folder if folder else hook.home != home)]
    if kept != hooks:
        _write(cache, kept)


def hooked_since(hooks: Iterable[Hook], agent: str, home: str, folder: str) -> float | None:
    """Return the unix seconds since when such sessions call the gate; None without a known hook."""
    return min((hook.since for hook in hooks if hook.covers(agent, home, folder)), default=None)


def _write(cache: Path, hooks: list[Hook]) -> None:
    CacheFile(cache / _FILE, _decoder).write(hooks[-_MOST:])


def has_asked(cache: Path, session: str) -> bool:
    """Return True if a session called the gate."""
    return os.path.exists(_mark(cache, session))


def note_call(
    cache: Path,
    agent: str,
    session: str,
    transcript: Path | None,
    folder: Path | None,
    *,
    is_users: Callable[[Path], bool],
    now: float,
) -> None:
    """Remember a session's call of the gate, and so the hooks where the session runs. Raises OSError.

    `folder` is where the session began; None if that is no folder. `is_users` tells whether the settings in
    the agent's own folder hold the hooks, so that every session calls. All but a session's first call cost one
    look at a file.
    """
    mark = _mark(cache, session)
    if os.path.exists(mark):
        return
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    if transcript is not None:
        _note_hook(cache, agent, transcript, folder, is_users, now)


def _mark(cache: Path, session: str) -> Path:
    # Removed with the gate's notes of the session, which begin alike.
    return cache / f"hook-{short_name(session)}.asked"


def _note_hook(
    cache: Path, agent: str, transcript: Path, folder: Path | None, is_users: Callable[[Path], bool], now: float
) -> None:
    home = _home_of(transcript)
    if home is None:
        # Not where this agent keeps its logs: it may be another agent.
        return
    place = os.path.realpath(folder) if folder else ""
    known = [hook for hook in read_hooks(cache) if hook.covers(agent, home, place)]
    if not known:
        # Hooks that were made by hand, or the cache was cleared.
        everywhere = is_users(Path(home))
        known = [Hook(agent, home, "" if everywhere else place, now)] if everywhere or place else []
    elif min(hook.since for hook in known) <= now:
        return
    for hook in known:
        # Where the clock was put back, they call already.
        add_hook(cache, msgspec.structs.replace(hook, since=now))


def _home_of(transcript: Path) -> str | None:
    """The agent's folder: above `sessions` in Codex, above `projects` in Claude Code."""
    for level, name in ((3, "sessions"), (1, "projects")):
        if len(transcript.parents) > level + 1 and transcript.parents[level].name == name:
            return os.path.realpath(transcript.parents[level + 1])
    return None

"""Rollouts of one Codex session, and of the session's sub-agents."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from budgauge.sources.codex import line as codex_line
from budgauge.sources.codex.files import CodexFormat
from budgauge.sources.codex.line import SessionMeta
from budgauge.sources.name import AgentNames
from budgauge.sources.session import SessionFormat
from budgauge.sources.source import FindLog
from budgauge.sources.tail import HEAD_BYTES, heads

if TYPE_CHECKING:
    from budgauge.sources.origin import Origin

_KEPT_STEP = 2000
"""After so many more strangers, they are kept: the search may be cut off."""
_MOST_LEVELS = 20
"""Of sub-agents that start sub-agents."""
_MOST_DAYS = 31
"""Of a session's life, in which its sub-agents' rollouts are looked for."""


def codex_session(
    session: str | None,
    transcripts: Iterable[Path],
    members: list[str],
    strangers: list[str],
    names: AgentNames,
    *,
    keep: Callable[[], object] = lambda: None,
) -> SessionFormat:
    """Return a session of Codex: the named transcripts, and sub-agents' rollouts begun on the same days.

    `members` and `strangers` are the rollouts that were found before to belong to it, or not; what is found now
    is added to them, so that none is looked into twice. `keep` is called on the way, after many strangers.
    """
    paths = [Path(path) for path in members]
    paths += [path for path in transcripts if path not in paths]
    format = CodexFormat(_home(paths[0]), names)
    threads = {(session or "").lower(), *map(format.thread_of, paths)} - {""}
    # The folders of each rollout's day and of the days since.
    folders = {folder for own in paths for folder in (own.parent, *_days_since(own))}
    known = {*map(str, paths), *strangers}
    for name in sorted({name for folder in folders for name in _rollouts(folder)} - known):
        path = Path(name)
        meta = first_line(path)
        if meta is None:
            if _has_begun(path):
                strangers.append(name)
            continue
        # Rollouts are looked into by their age: who started one is met before it.
        if _kin(meta) & threads:
            paths.append(path)
            threads.add(format.thread_of(path))
            continue
        strangers.append(name)
        if len(strangers) % _KEPT_STEP == 0:
            keep()
    members[:] = [str(path) for path in paths]
    return SessionFormat(format, paths)


def _home(rollout: Path) -> Path:
    """Return Codex's folder, which holds `sessions/year/month/day/rollout`."""
    return rollout.parents[4] if len(rollout.parents) > 4 else rollout.parent


def _rollouts(folder: Path) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    # Codex gives no other names; one that is no text could not be kept.
    names = [name for name in names if name.isascii() and name.startswith("rollout-") and name.endswith(".jsonl")]
    yield from (f"{folder}/{name}" for name in names)


def _days_since(rollout: Path) -> Iterator[Path]:
    if len(rollout.parents) <= 3:
        return
    now = time.time()
    for days in range(_MOST_DAYS):
        folder = rollout.parents[3] / time.strftime("%Y/%m/%d", time.localtime(now - days * 86_400))
        yield folder
        if folder <= rollout.parent:
            return


def first_line(rollout: Path) -> SessionMeta | None:
    """Return the owner of a rollout, from the first line; None if this line is missing or unreadable."""
    try:
        head = next((head for head in heads(rollout) if b"\n" in head), b"")
        return codex_line.session_meta(codex_line.line(head[: head.index(b"\n")]).payload)
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError):
        return None


def _has_begun(rollout: Path) -> bool:
    """Return True if there is a first line, readable or not, or so many bytes that none can come."""
    with suppress(OSError):
        return any(b"\n" in head or len(head) == HEAD_BYTES[-1] for head in heads(rollout))
    return False


def origin(rollout: Path, home: Path, find: FindLog) -> Origin | None:
    """Return the thread begun by a person to which a rollout belongs; None if unknown."""
    from budgauge.sources.origin import Origin

    meta = first_line(rollout)
    for _ in range(_MOST_LEVELS):
        if meta is None or meta.role is None:
            break
        root = meta.session_id if meta.session_id != meta.id else None
        parent = root or meta.parent
        path = find(parent.lower()) if parent else None
        meta = first_line(path) if path else None
    begun = None if meta is None else codex_line.unix_seconds(meta.timestamp)
    if meta is None or meta.role is not None or not meta.id or begun is None:
        return None
    folder = os.path.realpath(meta.cwd) if meta.cwd else ""
    return Origin(meta.id, os.path.realpath(home), folder, begun)


def _kin(meta: SessionMeta) -> set[str]:
    # A later page has the id of its thread.
    return {thread.lower() for thread in (meta.id, meta.session_id, meta.parent) if thread}

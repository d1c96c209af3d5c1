"""Codex CLI's session logs: its rollouts, found and read from where each stood."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

from budgauge.records import Usage
from budgauge.sources.codex_fork import count_copied, outline
from budgauge.sources.codex_line import SessionMeta
from budgauge.sources.codex_rollout import SOURCE, Rollout
from budgauge.sources.report import SourceTotal
from budgauge.sources.tail import Tail

_THREAD = re.compile(r"rollout-.*?-?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$")
_PLAIN, _COMPRESSED = ".jsonl", ".jsonl.zst"
_TELLING = ("", _PLAIN, ".zst")
"""Endings of paths that may be folders or logs; changes to others are not ours."""
_SCAN_SHARE = 1000
"""Looking through all folders unasked takes about one part in this of the time."""
_SCAN_SECONDS = 20.0
"""The longest until a new log is found that no hint told of."""


def thread_of(path: Path) -> str:
    """The thread id in a rollout's name; the bare name where there is none."""
    stem = path.name.removesuffix(".zst").removesuffix(_PLAIN)
    match = _THREAD.match(stem)
    return match.group(1).lower() if match else stem


class _Log:
    """One rollout being read."""

    def __init__(self, path: Path, rollout: Rollout) -> None:
        self.tail = Tail(path)
        self.rollout = rollout


class CodexSource:
    """All rollouts below Codex's own folder. Used by one thread at a time."""

    name = SOURCE

    def __init__(self, home: Path) -> None:
        """`home` is `$CODEX_HOME` or `~/.codex`; it need not exist yet."""
        self._roots = (home / "sessions", home / "archived_sessions")
        self._paths: dict[str, Path] = {}
        self._compressed: set[str] = set()
        self._copies: set[str] = set()
        self._logs: dict[str, _Log] = {}
        self._unreadable: dict[str, str] = {}
        self._unlistable: list[str] = []
        self._next_scan = 0.0

    def folders(self) -> tuple[Path, ...]:
        """The folders to watch, with everything below them."""
        return self._roots

    def calls(self, changed: frozenset[str] | None, since: float | None) -> Generator[Usage, None, None]:
        """The calls not given out yet. Close it to give up in the middle: that log is then read afresh.

        `changed` names paths that may have changed: an empty set means that nobody knows, None
        that all must be looked at now. Logs last written before `since` (unix seconds) are not opened.
        """
        for thread, path in list(self._due(changed)):
            done = False
            try:
                yield from self._read(thread, path, since)
                done = True
            except OSError as error:
                self._unreadable[thread] = f"{path}: {error.strerror or error}"
            finally:
                if not done:
                    self._logs.pop(thread, None)

    def total(self) -> SourceTotal:
        """What was read, and what of it was not calls; `calls` is left to who records them."""
        logs = list(self._logs.values())
        return SourceTotal(
            name=self.name,
            files=len(logs),
            bytes=sum(log.tail.bytes_read for log in logs),
            duplicates=sum(log.rollout.duplicates for log in logs),
            replayed=sum(log.rollout.replayed for log in logs),
            set_aside=sum(log.rollout.set_aside + log.tail.skipped_lines for log in logs)
            + len(self._compressed)
            + len(self._unreadable)
            + len(self._unlistable),
        )

    def notes(self) -> tuple[str, ...]:
        """What a person should know of what was not read."""
        notes = [f"codex: cannot read {reason}" for reason in sorted((*self._unreadable.values(), *self._unlistable))]
        if self._compressed:
            notes.append(f"codex: {len(self._compressed)} compressed session logs (.jsonl.zst) were not read")
        if self._copies:
            notes.append(f"codex: {len(self._copies)} copies of session logs were left out (archived or compressed)")
        if wrong := sum(log.rollout.disagrees for log in self._logs.values()):
            notes.append(f"codex: in {wrong} session logs the calls do not add up to the session's own total")
        return tuple(notes)

    def _due(self, changed: frozenset[str] | None) -> Iterable[tuple[str, Path]]:
        """The logs to look at now."""
        if changed is None or (not changed and time.monotonic() >= self._next_scan):
            self._scan()
            return self._paths.items()
        if not changed:
            return [(thread, log.tail.path) for thread, log in self._logs.items()]
        paths = {path for name in changed if (path := Path(name)).suffix in _TELLING}
        if not paths.issubset(self._paths.values()):
            # A new log, or a new folder: what is in it may have come before the folder was watched.
            self._scan()
            if any(path.suffix != _PLAIN for path in paths):
                return self._paths.items()
        return [(thread, self._paths[thread]) for thread in map(thread_of, paths) if thread in self._paths]

    def _scan(self) -> None:
        """Find all logs. A thread's own active, plain log wins over its copies."""
        began = time.monotonic()
        self._paths, self._compressed, self._copies, self._unlistable = {}, set(), set(), []
        packed: set[str] = set()
        for root in self._roots:
            for path in sorted(_rollouts(root, self._miss)):
                thread = thread_of(path)
                if path.name.endswith(_COMPRESSED):
                    packed.add(thread)
                elif thread in self._paths:
                    self._copies.add(thread)
                    self._paths[thread] = _better(self._paths[thread], path, root)
                else:
                    self._paths[thread] = path
        self._unreadable = {thread: why for thread, why in self._unreadable.items() if thread in self._paths}
        self._compressed = packed - self._paths.keys()
        self._copies |= packed & self._paths.keys()
        took = time.monotonic() - began
        self._next_scan = began + min(_SCAN_SECONDS, took * _SCAN_SHARE)

    def _miss(self, error: OSError) -> None:
        """Note a folder that cannot be listed; one that is not there holds nothing."""
        if not isinstance(error, FileNotFoundError):
            self._unlistable.append(f"{error.filename}: {error.strerror or error}")

    def _read(self, thread: str, path: Path, since: float | None) -> Iterator[Usage]:
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return
        log = self._logs.get(thread)
        if log is not None:
            log.tail.path = path
            if log.tail.replaced(status):
                log = None
            elif log.tail.unchanged(status):
                return
        elif since is not None and status.st_mtime < since:
            return
        if log is None:
            log = self._logs[thread] = _Log(path, self._begin(thread, path, int(status.st_mtime)))
        for block in log.tail.blocks():
            yield from log.rollout.feed(block)
        self._unreadable.pop(thread, None)

    def _begin(self, thread: str, path: Path, seconds: int) -> Rollout:
        return Rollout(thread, copied=lambda meta: self._count_copied(meta, path), seconds=seconds)

    def _count_copied(self, meta: SessionMeta, path: Path) -> int:
        child = outline(Tail(path).blocks())
        parent_path = self._paths.get((meta.parent or "").lower(), path)
        try:
            parent = outline(Tail(parent_path).blocks(), most=len(child.usage)) if parent_path != path else None
        except OSError:
            parent = None
        return count_copied(child, parent, forked=bool(meta.forked_from))


def _better(known: Path, other: Path, root: Path) -> Path:
    """Of two logs of one thread the active one, else the longer. `root` is where `other` was found, after `known`."""
    if not known.is_relative_to(root):
        return known
    return max(known, other, key=_size)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _rollouts(root: Path, miss: Callable[[OSError], None]) -> Iterator[Path]:
    """All rollouts below a folder, compressed ones too; `miss` is told of each folder that cannot be listed."""
    for folder, _, files in os.walk(root, onerror=miss):
        for name in files:
            if name.startswith("rollout-") and name.endswith((_PLAIN, _COMPRESSED)):
                yield Path(folder, name)

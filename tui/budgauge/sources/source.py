"""One agent's logs: found, checked for changes, and read from where the last reading of each ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from budgauge.accounting.records import Usage
from budgauge.sources.log import Counts, Cursor, Log, MakeParser
from budgauge.sources.report import SourceTotal
from budgauge.text import plural

if TYPE_CHECKING:
    from budgauge.sources.origin import Origin

_SCAN_SHARE = 4000
"""Scans of all folders take about one part in this of the time."""
_SCAN_SECONDS = 30.0
"""The longest until a new log is found without a hint."""
_WARM_SECONDS = 600.0
"""A log that grew within this time is checked once a second, with or without a hint."""
_LOG_SUFFIXES = (".jsonl", ".zst")
_SUFFIXES = ("", *_LOG_SUFFIXES)
"""Endings of folders and logs. Changes of other paths are ignored."""


FindLog = Callable[[str], "Path | None"]
"""key → where that log is; None if there is none."""


class Found(NamedTuple):
    """The logs that a scan of an agent's folders found."""

    logs: dict[str, Path]
    """key → path, in the order in which logs are read. A log keeps its key when it moves."""
    notes: tuple[str, ...]
    """What will not be read, in words for a person."""
    unreadable: int
    """Folders and logs that cannot be read."""
    find: FindLog | None = None
    """Finds logs beyond these, where these are not all."""


class Format(Protocol):
    """An agent's kind of logs: where they are, and how their lines are read."""

    @property
    def name(self) -> str:
        """The agent's name in `budgauge collect`."""
        ...

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders with the logs, at any depth. They need not exist."""
        ...

    def find(self) -> Found:
        """Find all logs."""
        ...

    def key_of(self, path: Path) -> str:
        """Return the key that tells a log from other logs, at whatever path."""
        ...

    def parser(self, key: str, path: Path, find: FindLog) -> MakeParser:
        """Return the maker of a log's parser. `find` finds other logs."""
        ...

    def origin(self, path: Path, find: FindLog) -> Origin | None:
        """Return the session begun by a person to which the log at `path` belongs; None if unknown."""
        ...


class Source:
    """All logs of one agent. Used by one thread at a time."""

    def __init__(self, format: Format, *, step_bytes: int | None = None) -> None:
        """With `step_bytes`, a log is read in steps of about that size, each imported before the next is read."""
        self.format = format
        self.name = format.name
        """The agent's name in `budgauge collect`."""
        self._step_bytes = step_bytes
        self.cursors: dict[str, Cursor] = {}
        """key → how far the log is imported. Set before the first reading, it is where reading begins."""
        self.changes = 0
        """How often one of these advanced."""
        self._found = Found({}, (), 0)
        self._logs: dict[str, Log] = {}
        self._unreadable: dict[str, str] = {}
        self._warm: dict[str, float] = {}
        self._passed_over: set[Path] = set()
        """Paths that the last scan took for no log. A later scan may find otherwise."""
        self._next_scan = 0.0

    def news(
        self, changed: frozenset[str] | None, since: float | None
    ) -> Generator[tuple[Log, list[Usage]], None, None]:
        """Yield each log that has grown, with its new calls. The next step takes these calls as imported.

        `changed` names paths that may have changed: an empty set means that nobody knows, None
        that all must be checked now. Logs last written before `since` (unix seconds) are not
        opened. Closed in the middle, it yields that log's calls again the next time.
        """
        for key, path in list(self._due(changed)):
            try:
                log = self._changed(key, path, since)
                if log is not None:
                    yield from self._news_of(key, log)
            except OSError as error:
                self._unreadable[key] = f"{path}: {error.strerror or error}"

    def _news_of(self, key: str, log: Log) -> Generator[tuple[Log, list[Usage]], None, None]:
        is_imported = False
        try:
            while not is_imported:
                calls = log.read(self._step_bytes)
                if calls or log.is_behind:
                    yield log, calls
                self._commit(key, log)
                is_imported = not log.is_behind
        finally:
            if not is_imported:
                self._logs.pop(key, None)

    def _commit(self, key: str, log: Log) -> None:
        self.cursors[key] = log.cursor()
        self.changes += 1
        if time.time() - log.written < _WARM_SECONDS:
            self._warm[key] = time.monotonic()
        self._unreadable.pop(key, None)

    def total(self) -> SourceTotal:
        """Return the counts of everything read. The collector adds the outcomes of calls."""
        counts = sum((log.new_counts for log in self._logs.values()), Counts())
        return SourceTotal(
            name=self.name,
            files=len(self._found.logs),
            bytes=sum(log.bytes_read for log in self._logs.values()),
            duplicates=counts.duplicates,
            replayed=counts.replayed,
            set_aside=counts.skipped + self._found.unreadable + len(self._unreadable),
            lower_bounds=sum(log.counts.lower_bounds for log in self._logs.values()),
        )

    def origin(self, path: Path) -> Origin | None:
        """Return the session begun by a person to which the log at `path` belongs; None if unknown."""
        return self.format.origin(path, self._find)

    @property
    def unreadable(self) -> list[str]:
        """Paths of logs that cannot be read, each with the reason."""
        return sorted(self._unreadable.values())

    def notes(self) -> tuple[str, ...]:
        """Return the troubles in words for a person."""
        notes = [f"{self.name}: cannot read {reason}" for reason in self.unreadable]
        notes += (f"{self.name}: {note}" for note in self._found.notes)
        if skipped := sum(log.new_counts.skipped for log in self._logs.values()):
            lines = plural(skipped, "line")
            notes.append(f"{self.name}: {lines} of session logs cannot be read; not counted; see budgauge doctor")
        if wrong := sum(log.new_counts.disagreements > 0 for log in self._logs.values()):
            notes.append(f"{self.name}: in {wrong} session logs the calls do not add up to the session's own total")
        return tuple(notes)

    def _find(self, key: str) -> Path | None:
        """Return the path of another log."""
        return (self._found.find or self._found.logs.get)(key)

    def _due(self, changed: frozenset[str] | None) -> Iterable[tuple[str, Path]]:
        """Return the logs to check now."""
        logs = self._found.logs
        if changed is None or (not changed and time.monotonic() >= self._next_scan):
            return self._scan()
        if not changed:
            warm = time.monotonic() - _WARM_SECONDS
            self._warm = {key: at for key, at in self._warm.items() if at > warm}
            return [(key, logs[key]) for key in self._warm if key in logs]
        paths = {path for name in changed if self._is_ours(path := Path(name))}
        known = {path: key for key, path in logs.items()} if paths else {}
        if paths <= known.keys():
            return [(known[path], path) for path in paths]
        # A new log, or a new folder, which may have been filled before it was watched.
        found = self._scan()
        kept = set(self._found.logs.values())
        self._passed_over |= {path for path in paths if path.suffix in _LOG_SUFFIXES and path not in kept}
        return found

    def _is_ours(self, path: Path) -> bool:
        """Return True if the path can be one of these logs, and not another agent's."""
        if path.suffix not in _SUFFIXES or path in self._passed_over:
            return False
        return any(path.is_relative_to(root) for root in self.format.roots)

    def _scan(self) -> Iterable[tuple[str, Path]]:
        began = time.monotonic()
        self._found = self.format.find()
        logs = self._found.logs
        self._passed_over.difference_update(logs.values())
        for gone in [key for key in self._logs if key not in logs]:
            del self._logs[gone]
        self._unreadable = {key: why for key, why in self._unreadable.items() if key in logs}
        took = time.monotonic() - began
        self._next_scan = began + min(_SCAN_SECONDS, took * _SCAN_SHARE)
        return logs.items()

    def _changed(self, key: str, path: Path, since: float | None) -> Log | None:
        """Return the log if it has changed, else None. Raises OSError."""
        try:
            status = os.stat(path)
        except FileNotFoundError:
            return None
        cursor = self.cursors.get(key)
        if cursor is not None and cursor.stands_for(status, since):
            return None
        log = self._logs.get(key)
        if log is None:
            if cursor is None and since is not None and status.st_mtime < since:
                return None
            log = self._logs[key] = self._open(key, path, cursor, since)
        log.path = path
        log.size, log.written = status.st_size, status.st_mtime
        return log

    def _open(self, key: str, path: Path, cursor: Cursor | None, since: float | None) -> Log:
        """Open a log where the import ended; at the start, where calls were left out that are wanted now."""
        make_parser = self.format.parser(key, path, self._find)
        if cursor is not None and cursor.suits(since):
            with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return Log(path, make_parser, cursor)
        return Log(path, make_parser)

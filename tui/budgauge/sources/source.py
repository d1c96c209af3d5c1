"""One agent's logs: found, looked at when they may have changed, and read from where each stood."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from budgauge.accounting.records import Usage
from budgauge.sources.ahead import Ahead, read_ahead
from budgauge.sources.log import Counts, Cursor, Log, MakeParser
from budgauge.sources.report import SourceTotal
from budgauge.text import plural

if TYPE_CHECKING:
    from budgauge.sources.origin import Origin

_SCAN_SHARE = 4000
"""Looking through all folders unasked takes about one part in this of the time."""
_SCAN_SECONDS = 30.0
"""The longest until a new log is found that no hint told of."""
_WARM_SECONDS = 600.0
"""A log that grew within so long is looked at once a second, whether a hint tells of it or not."""
_LOG_SUFFIXES = (".jsonl", ".zst")
_TELLING = ("", *_LOG_SUFFIXES)
"""Endings of paths that may be folders or logs; changes to others are not ours."""


FindLog = Callable[[str], "Path | None"]
"""key → where that log is; None if there is none."""


class Found(NamedTuple):
    """What a look through an agent's folders found."""

    logs: dict[str, Path]
    """What tells a log from others, whatever its path → its path; in the order in which they are to be read."""
    notes: tuple[str, ...]
    """What a person should know of what will not be read."""
    unreadable: int
    """Folders and logs among that."""
    find: FindLog | None = None
    """Finds logs beyond these, where these are not all."""


class Format(Protocol):
    """Where an agent's logs are, and who reads their lines."""

    @property
    def name(self) -> str:
        """As `budgauge collect` calls the agent."""
        ...

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders that hold its logs, at any depth; they need not exist."""
        ...

    def find(self) -> Found:
        """All logs that there are now."""
        ...

    def key_of(self, path: Path) -> str:
        """What tells a log from others."""
        ...

    def parser(self, key: str, path: Path, find: FindLog) -> MakeParser:
        """Makes the parser of a log; `find` finds others."""
        ...

    def origin(self, path: Path, find: FindLog) -> Origin | None:
        """The session that a person began, of which the log at `path` is a part; None if that cannot be told."""
        ...


class Source:
    """All logs of one agent. Used by one thread at a time."""

    def __init__(self, format: Format, *, step_bytes: int | None = None) -> None:
        """With `step_bytes`, a log is read in steps of about so much, each booked before the next is read."""
        self.format = format
        self._step_bytes = step_bytes
        self.cursors: dict[str, Cursor] = {}
        """How far each log is booked, by key; set it before anything is read, to go on from there."""
        self.changes = 0
        """How often one of these went on."""
        self._found = Found({}, (), 0)
        self._logs: dict[str, Log] = {}
        self._unreadable: dict[str, str] = {}
        self._warm: dict[str, float] = {}
        self._passed_over: set[Path] = set()
        """What a look through the folders saw and took for no log; another look, in its time, may find otherwise."""
        self._next_scan = 0.0

    @property
    def name(self) -> str:
        """As `budgauge collect` calls the agent."""
        return self.format.name

    def news(
        self, changed: frozenset[str] | None, since: float | None
    ) -> Generator[tuple[Log, list[Usage]], None, None]:
        """The logs that say something new, each with its new calls, which are booked when the next is asked for.

        `changed` names paths that may have changed: an empty set means that nobody knows, None
        that all must be looked at now. Logs last written before `since` (unix seconds) are not
        opened. Closed in the middle, it gives that log's calls out again the next time.
        """
        logs = dict(self._changed_logs(changed, since))
        ahead = read_ahead(logs) if changed is None and self._step_bytes is None else None
        try:
            for key, log in logs.items():
                yield from self._news_of(key, log, ahead)
        finally:
            if ahead is not None:
                ahead.close()

    def _news_of(self, key: str, log: Log, ahead: Ahead | None) -> Generator[tuple[Log, list[Usage]], None, None]:
        is_behind = True
        while is_behind:
            booked = False
            try:
                log, calls = self._read(key, log, ahead)
                is_behind = log.is_behind
                if calls or is_behind:
                    yield log, calls
                self._commit(key, log)
                booked = True
            except OSError as error:
                self._unreadable[key] = f"{log.path}: {error.strerror or error}"
                is_behind = False
            finally:
                if not booked:
                    self._logs.pop(key, None)

    def _changed_logs(self, changed: frozenset[str] | None, since: float | None) -> Iterator[tuple[str, Log]]:
        for key, path in self._due(changed):
            try:
                log = self._changed(key, path, since)
            except OSError as error:
                self._unreadable[key] = f"{path}: {error.strerror or error}"
                continue
            if log is not None:
                yield key, log

    def _read(self, key: str, log: Log, ahead: Ahead | None) -> tuple[Log, list[Usage]]:
        """What is new in a log, read by whoever is to do it. Raises OSError."""
        told = ahead.take(key) if ahead else None
        if told is None:
            return log, log.read(self._step_bytes)
        make_parser = self.format.parser(key, log.path, self._find)
        read = Log(log.path, make_parser, told.cursor, bytes_read=told.bytes_read, new_counts=told.new_counts)
        read.size, read.written = log.size, log.written
        self._logs[key] = read
        return read, [Usage(*fields) for fields in told.calls]

    def _commit(self, key: str, log: Log) -> None:
        self.cursors[key] = log.cursor()
        self.changes += 1
        if time.time() - log.written < _WARM_SECONDS:
            self._warm[key] = time.monotonic()
        self._unreadable.pop(key, None)

    def total(self) -> SourceTotal:
        """What was read, and what of it was not calls; what became of the calls is for who books them to add."""
        counts = sum((log.new_counts for log in self._logs.values()), Counts())
        return SourceTotal(
            name=self.name,
            files=len(self._found.logs),
            bytes=sum(log.bytes_read for log in self._logs.values()),
            duplicates=counts.duplicates,
            replayed=counts.replayed,
            set_aside=counts.set_aside + self._found.unreadable + len(self._unreadable),
            lower_bounds=sum(log.counts.lower_bounds for log in self._logs.values()),
        )

    def origin(self, path: Path) -> Origin | None:
        """The session that a person began, of which the log at `path` is a part; None if that cannot be told."""
        return self.format.origin(path, self._find)

    @property
    def unreadable(self) -> list[str]:
        """The logs that cannot be read, and why."""
        return sorted(self._unreadable.values())

    def notes(self) -> tuple[str, ...]:
        """What a person should know of what was not read."""
        notes = [f"{self.name}: cannot read {reason}" for reason in self.unreadable]
        notes += (f"{self.name}: {note}" for note in self._found.notes)
        if skipped := sum(log.new_counts.set_aside for log in self._logs.values()):
            lines = plural(skipped, "line")
            notes.append(f"{self.name}: {lines} of session logs cannot be read; not counted; see budgauge doctor")
        if wrong := sum(log.new_counts.disagreements > 0 for log in self._logs.values()):
            notes.append(f"{self.name}: in {wrong} session logs the calls do not add up to the session's own total")
        return tuple(notes)

    def _find(self, key: str) -> Path | None:
        """Where another log is."""
        return (self._found.find or self._found.logs.get)(key)

    def _due(self, changed: frozenset[str] | None) -> Iterable[tuple[str, Path]]:
        """The logs to look at now."""
        logs = self._found.logs
        if changed is None or (not changed and time.monotonic() >= self._next_scan):
            return self._scan()
        if not changed:
            warm = time.monotonic() - _WARM_SECONDS
            self._warm = {key: at for key, at in self._warm.items() if at > warm}
            return [(key, logs[key]) for key in self._warm if key in logs]
        paths = {path for name in changed if self._tells(path := Path(name))}
        known = {path: key for key, path in logs.items()} if paths else {}
        if paths <= known.keys():
            return [(known[path], path) for path in paths]
        # A new log, or a new folder: what is in it may have come before the folder was watched.
        found = self._scan()
        kept = set(self._found.logs.values())
        self._passed_over |= {path for path in paths if path.suffix in _LOG_SUFFIXES and path not in kept}
        return found

    def _tells(self, path: Path) -> bool:
        """Can a change of this path be one of these logs? Other agents' paths are among those that change."""
        if path.suffix not in _TELLING or path in self._passed_over:
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
        """A log that may say something new; None if it does not. Raises OSError."""
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
        """A log, from where it was booked to; from its start, where calls were left out that are wanted now."""
        make_parser = self.format.parser(key, path, self._find)
        if cursor is not None and cursor.suits(since):
            with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return Log(path, make_parser, cursor)
        return Log(path, make_parser)

"""One log file: new lines go to a parser, and a cursor marks how far they are imported."""

import os
from collections.abc import Callable
from operator import add, sub
from pathlib import Path
from typing import Protocol

import msgspec

from budgauge.accounting.records import Usage
from budgauge.files.tail import ReplacedError
from budgauge.sources.tail import COMPRESSED, LogOffset, log_lines


class Counts(msgspec.Struct, array_like=True):
    """Counts of what a log holds beside new calls."""

    duplicates: int = 0
    """Lines that repeat a call of the same log."""
    replayed: int = 0
    """Lines copied from another session's history."""
    skipped: int = 0
    """Lines that cannot be read or must not be written."""
    lower_bounds: int = 0
    """Calls without a last count of output tokens."""
    disagreements: int = 0
    """Places where calls do not add up to the log's own total."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*map(add, msgspec.structs.astuple(self), msgspec.structs.astuple(other)))

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(*map(sub, msgspec.structs.astuple(self), msgspec.structs.astuple(other)))


class Parser(Protocol):
    """Turns one log's lines into calls."""

    @property
    def counts(self) -> Counts:
        """Counts of what was met so far."""
        ...

    def feed(self, data: bytes) -> None:
        """Read whole lines."""
        ...

    def take(self) -> list[Usage]:
        """Return the calls of the lines fed since the last time."""
        ...

    def save(self) -> bytes:
        """Return the state from which another parser can go on."""
        ...


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """A log's place up to which calls are imported."""

    inode: int
    size: int
    """Of the file when it was last read to its end."""
    position: bytes
    """A LogOffset, encoded."""
    parser: bytes
    """The parser's state."""
    counts: Counts
    left_out: float | None
    """Unix seconds of the latest call that was too old to be imported; None if there was none."""

    def stands_for(self, status: os.stat_result, since: float | None) -> bool:
        """Return True if the file, of this status, was read to the end."""
        return status.st_size == self.size and status.st_ino == self.inode and self.suits(since)

    def suits(self, since: float | None) -> bool:
        """Return True if every call from a moment on (unix seconds; None: all calls) is imported."""
        return self.left_out is None or (since is not None and self.left_out < since)


_decode_offset = msgspec.msgpack.Decoder(LogOffset).decode


MakeParser = Callable[[bytes | None, int], Parser]
"""(saved state or None, unix seconds of the file's last change) → the parser of a log."""


class Log:
    """A log file and its parser."""

    def __init__(self, path: Path, make_parser: MakeParser, cursor: Cursor | None = None) -> None:
        """Raises msgspec.MsgspecError for a cursor of another kind of log, and OSError."""
        self.path = path
        self.size = 0
        """Bytes in the file, when it was last checked."""
        self.written = 0.0
        """Unix seconds of the file's last change, then."""
        self.is_behind = False
        """True if the last step ended before the file did."""
        self._make_parser = make_parser
        self._at = _decode_offset(cursor.position) if cursor else LogOffset()
        self._parser = make_parser(cursor.parser, int(os.stat(path).st_mtime)) if cursor else None
        self._left_out = cursor.left_out if cursor else None
        self._noted = Counts()
        self._noted = cursor.counts - self.counts if cursor else Counts()
        self._counts_before = self.counts
        self.bytes_read = 0
        """In whole lines, since this object was made."""

    @property
    def counts(self) -> Counts:
        """Counts of what the whole log holds beside new calls."""
        counts = self._parser.counts if self._parser else Counts()
        return counts + self._noted + Counts(skipped=self._at.skipped_lines)

    @property
    def new_counts(self) -> Counts:
        """The same counts, since this object was made."""
        return self.counts - self._counts_before

    def read(self, step_bytes: int | None = None) -> list[Usage]:
        """Return the calls in the new lines, in about `step_bytes` of them if given. Raises OSError."""
        try:
            return self._read(step_bytes)
        except ReplacedError:
            self._begin()
            return self._read(step_bytes)

    def _begin(self) -> None:
        self._at, self._parser, self._left_out = LogOffset(), None, None
        self._noted = self._counts_before = Counts()

    def _read(self, step_bytes: int | None) -> list[Usage]:
        if self._parser is None:
            self._parser = self._make_parser(None, int(os.stat(self.path).st_mtime))
        if self.path.name.endswith(COMPRESSED):
            # It can only be read from its start.
            step_bytes = None
        self.is_behind = False
        start = self._at.offset
        for lines in log_lines(self.path, self._at):
            self._parser.feed(lines)
            self.bytes_read += len(lines)
            if step_bytes is not None and self._at.offset - start >= step_bytes:
                self._at.size = -1
                self.is_behind = True
                break
        return self._parser.take()

    def note(self, outcomes: Counts) -> None:
        """Count the outcomes of calls."""
        self._noted += outcomes

    def leave_out(self, timestamp: float) -> None:
        """Note a call's time as too old to be imported."""
        self._left_out = timestamp if self._left_out is None else max(timestamp, self._left_out)

    def cursor(self) -> Cursor:
        """Return how far the log was read. All calls so far are imported."""
        assert self._parser is not None
        at = self._at
        return Cursor(at.inode, at.size, msgspec.msgpack.encode(at), self._parser.save(), self.counts, self._left_out)

"""A ledger file followed as it grows: what is new of it goes to whatever is made of its records."""

from __future__ import annotations

import os
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from budgauge.accounting.records import Batch, Record, decode
from budgauge.errors import LedgerReadError
from budgauge.ledger.last_seen import LastSeenFile
from budgauge.ledger.tail import MAX_LINE_BYTES, Tail

_USUAL_LINE_BYTES = 1024
DUE_BYTES = 1 << 20
"""So much of the ledger is read anew at most; of a shorter one nothing is kept."""
WAY_BYTES = 128 << 20
"""After so much, what was made of a long ledger is kept, though its end is not reached: the reader may be cut off."""
WAY_SECONDS = 2.0
"""The same after so long: where each line is slow to take in, few bytes take many seconds."""


class LedgerFile(ABC):
    """The ledger at a path, read by one thread at a time. What its records add up to is for subclasses to keep."""

    def __init__(self, path: Path, cache: Path | None, clock: Callable[[], float] = time.time) -> None:
        """`cache` is the folder where it is kept what the ledger was; None keeps nothing."""
        self.path = path
        self._clock = clock
        self.last_seen = LastSeenFile(cache, path) if cache else None
        self.exists = False
        """Was there a file at the last refresh?"""
        self.restarts = 0
        """How often the file turned out to be another than before and was read afresh."""
        self._fd = -1
        self._tail = Tail()
        self._forget()

    def keep(self) -> None:
        """Keep what the ledger is, and what was made of a long one, for the next start, where that is due."""
        last_seen = self.last_seen
        if last_seen is not None:
            if last_seen.lost is not None and self._begins_anew_since(last_seen.lost.seen_at):
                last_seen.begin_anew()
            if last_seen.is_due(self._tail.offset, now := self._clock()):
                last_seen.note(self._tail.mark, now)
        self._keep_work()

    def _begins_anew_since(self, _moment: float) -> bool:
        """Did a reset or a cycle begin since a moment (unix seconds), as far as is known here?"""
        return False

    @abstractmethod
    def _keep_work(self) -> None:
        """Keep what was made of a long ledger for the next start, where that is due."""

    @abstractmethod
    def _forget(self) -> None:
        """Begin as for an empty file."""

    @abstractmethod
    def _take(self, batch: Batch) -> None:
        """Take in what whole lines decoded to."""

    @abstractmethod
    def _take_own(self, record: Record, place: int) -> None:
        """Take in one record whose line begins at an offset."""

    @abstractmethod
    def _restore(self, fd: int) -> None:
        """Before the first read: go on from what was kept, if it is of this very file."""

    @property
    def offset(self) -> int:
        """How many bytes of the file were read."""
        return self._tail.offset

    def refresh(self, fd: int | None = None, status: os.stat_result | None = None) -> bool:
        """Read what is new, of `fd` (which has this `status`) if given, else of the path; was there anything?

        A missing file is an empty ledger. Raises LedgerReadError where something stands in
        its place that cannot be read.
        """
        if fd is not None:
            return self._read(fd, status)
        try:
            opened = open_ledger(self.path, os.O_RDONLY)
        except FileNotFoundError:
            gone, self.exists = self.exists, False
            if self.last_seen is not None:
                self.last_seen.compare(None)
            if gone:
                self._start_afresh()
                self._tail = Tail()
            return gone
        try:
            changed = self._read(opened, None)
        finally:
            os.close(opened)
        self.keep()
        return changed

    def add_own(self, record: Record, line: bytes) -> None:
        """Take in a line that stands right behind what was read."""
        place = self._tail.offset
        self._tail.skip(line)
        self._take_own(record, place)

    def has_read(self, fd: int, status: os.stat_result) -> bool:
        """Is this open file the one that was read, and is there nothing in it that was not, not even a torn line?"""
        return self._tail.has_read(status.st_size) and self._tail.stands_in(fd, status)

    def use(self, fd: int) -> None:
        """Recall records from this open file from now on; -1: from what stands at the path."""
        self._fd = fd

    def recall(self, place: int) -> Record | None:
        """The record whose line begins at an offset."""
        fd = self._fd if self._fd >= 0 else open_ledger(self.path, os.O_RDONLY)
        try:
            line = os.pread(fd, _USUAL_LINE_BYTES, place)
            if b"\n" not in line:
                line = os.pread(fd, MAX_LINE_BYTES + 1, place)
        finally:
            if fd != self._fd:
                os.close(fd)
        records = decode(line[: line.find(b"\n") + 1]).records
        return records[0] if records else None

    def _read(self, fd: int, status: os.stat_result | None) -> bool:
        changed = not self.exists
        self.exists = True
        before, self._fd = self._fd, fd
        try:
            is_new = self._tail.is_new
            if is_new:
                self._restore(fd)
            if not self._tail.resumes(fd, status):
                self._start_afresh()
                is_new = changed = True
            if is_new and self.last_seen is not None:
                self.last_seen.compare(fd)
            way_from, due_at = self._tail.offset, time.monotonic() + WAY_SECONDS
            for batch in self._tail.read(fd):
                self._take(batch)
                changed = True
                if self._tail.offset - way_from >= WAY_BYTES or time.monotonic() > due_at:
                    way_from, began = self._tail.offset, time.monotonic()
                    self.keep()
                    # Keeping may be slow as well: most of the time goes on reading.
                    due_at = time.monotonic() + max(WAY_SECONDS, 4 * (time.monotonic() - began))
        except OSError as error:
            raise LedgerReadError(
                f"{self.path}: cannot be read: {error.strerror}",
                hint="Check the disk and the file's permissions; budgauge tries again every second.",
            ) from error
        finally:
            self._fd = before
        return changed

    def _start_afresh(self) -> None:
        self.restarts += 1
        self._forget()


def open_ledger(path: Path, flags: int) -> int:
    """Open a ledger as a regular file, never through a link and without waiting on a FIFO.

    Raises FileNotFoundError if there is none (and `flags` do not create it), LedgerReadError
    for everything else.
    """
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LedgerReadError(_why_not(path, error), hint="Name another ledger, or move what stands there.") from error
    except ValueError as error:
        # A NUL, or half a surrogate pair: no file can have this name.
        raise LedgerReadError(f"{str(path)!r}: cannot be a file's name", hint="Name another ledger.") from error
    try:
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError as error:
        os.close(fd)
        raise LedgerReadError(_why_not(path, error), hint="Check the disk.") from error
    if not regular:
        os.close(fd)
        raise LedgerReadError(
            f"{path}: is {kind_of(path)}, not a ledger file", hint="Name another ledger, or move what stands there."
        )
    return fd


def kind_of(path: Path) -> str:
    """What stands at a path, in words."""
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        return "missing"
    for test, word in (
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISREG, "a file"),
    ):
        if test(mode):
            return word
    return "a device or socket"


def _why_not(path: Path, error: OSError) -> str:
    kind = kind_of(path)
    if kind in ("a file", "missing"):
        return f"{path}: cannot be opened: {error.strerror}"
    return f"{path}: is {kind}, not a ledger file"

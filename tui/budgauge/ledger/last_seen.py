"""Notes of a ledger's length: a ledger with lost lines must not look like a new one.

It is kept in the cache folder and can be lost at any time; then nobody can tell.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from budgauge.files.cache import CacheFile, short_name
from budgauge.ledger.tail import LedgerOffset

VERSION = 1
_GROWTH_PART = 16
"""A process notes a ledger again when it has grown by this part of its length,"""
_PAUSE_SECONDS = 1
"""or at all after so many seconds."""


class LastSeen(msgspec.Struct, frozen=True, array_like=True):
    """A ledger at a moment."""

    version: int
    mark: LedgerOffset
    seen_at: int
    """Unix seconds."""

    def stands_in(self, fd: int | None) -> bool:
        """Return True if an open file still holds everything; a copy does, too. None stands for no file."""
        if fd is None:
            return not self.mark.offset
        status = os.fstat(fd)
        return msgspec.structs.replace(self.mark, inode=status.st_ino).is_in(fd, status)


_decoder = msgspec.msgpack.Decoder(LastSeen)
_LATEST = 1 << 37
"""No clock says more seconds than this: dates end there."""


class LastSeenFile:
    """The note of one ledger's state."""

    def __init__(self, folder: Path, ledger: Path) -> None:
        self.path = folder / f"seen-{short_name(os.path.abspath(ledger))}.mark"
        self._file = CacheFile(self.path, _decoder, VERSION)
        self.lost: LastSeen | None = None
        """What the ledger was, if it does not hold all of that any more."""
        self.offset = 0
        """How many bytes are noted."""
        self._noted_at: float | None = None
        """When this process noted that; None if it did not."""

    def compare(self, fd: int | None) -> None:
        """Compare the noted ledger with a newly opened file; None stands for no file. Raises OSError."""
        seen = self._read()
        self.lost = None if seen is None or seen.stands_in(fd) else seen
        self.offset = seen.mark.offset if seen else 0
        self._noted_at = None

    def is_due(self, offset: int, now: float) -> bool:
        """Return True when the reading up to an offset is due to be noted."""
        growth = offset - self.offset
        if growth <= 0 or self.lost is not None:
            return False
        if self._noted_at is None or growth >= offset // _GROWTH_PART:
            return True
        return abs(now - self._noted_at) >= _PAUSE_SECONDS

    def note(self, mark: LedgerOffset, now: float) -> None:
        """Keep where the ledger has been read to."""
        self.offset, self._noted_at = mark.offset, now
        self._file.write(LastSeen(VERSION, mark, int(now)))

    def begin_anew(self) -> None:
        """Take the present file for the ledger: lost lines matter no more."""
        self.lost, self.offset, self._noted_at = None, 0, None

    def _read(self) -> LastSeen | None:
        seen = self._file.read()
        return seen if seen and 0 <= seen.seen_at < _LATEST else None

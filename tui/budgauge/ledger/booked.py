"""Which calls with ids a ledger holds: all of them, however long ago they were written.

A fold of the ledger knows the latest ids alone. That is enough for retries, but an agent's log
may repeat a call after months: a session that is resumed begins with a copy of what it said.
"""

import os
from pathlib import Path

import msgspec

from budgauge.accounting.id_index import EveryId
from budgauge.accounting.records import Batch, Record, Usage
from budgauge.files.cache import read_cache, short_name, write_cache
from budgauge.ledger.file import DUE_BYTES, LedgerFile, open_ledger
from budgauge.ledger.tail import Mark, Tail

VERSION = 3


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """The ids of a ledger up to a mark, as they lie in the cache folder. What it is can be made again at any time."""

    version: int
    mark: Mark
    earliest: float | None
    ids: tuple[bytes, ...]


_decoder = msgspec.msgpack.Decoder(_Kept)


class Booked(LedgerFile):
    """The calls of a ledger that have an id, found by it. Used by one thread at a time.

    Whoever wrote them: an id that is taken cannot be given to another call.
    """

    def __init__(self, path: Path, folder: Path | None = None) -> None:
        """`folder` is where the ids of a long ledger are kept, and what any was; None keeps nothing."""
        self._kept_path = folder / f"calls-{short_name(os.path.abspath(path))}.ids" if folder else None
        self._kept_offset = 0
        self._ids = EveryId()
        self.earliest: float | None = None
        """Unix seconds of the earliest of the calls that come from agents' own logs."""
        super().__init__(path, folder)

    def find(self, name: str) -> Usage | None:
        """The record with an id or alias; the first in the file counts. The ledger must have been read."""
        if not len(self._ids):
            return None
        return next(
            (record for place in self._ids.places(self._ids.digest(name)) if (record := self._named(name, place))), None
        )

    def _named(self, name: str, place: int) -> Usage | None:
        """The record at a place, if it has this id or alias."""
        record = self.recall(place)
        return record if isinstance(record, Usage) and name in (record.id, record.alias) else None

    @property
    def mark(self) -> Mark:
        """Where in which ledger it stands."""
        return self._tail.mark

    def _keep_work(self) -> None:
        """Keep the ids if much was read since they were kept."""
        if self._kept_path is None or self.offset - self._kept_offset < DUE_BYTES:
            return
        self._kept_offset = self.offset
        kept = _Kept(VERSION, self.mark, self.earliest, self._ids.dump())
        write_cache(self._kept_path, msgspec.msgpack.encode(kept))

    def _restore(self, fd: int) -> None:
        status = os.fstat(fd)
        if self._kept_path is None or status.st_size < DUE_BYTES:
            return
        content = read_cache(self._kept_path)
        try:
            kept = None if content is None else _decoder.decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if kept is None or kept.version != VERSION or not _fits(kept.mark, fd, status):
            return
        self._tail = Tail.at(kept.mark, status)
        self._kept_offset = self.offset
        self._ids, self.earliest = EveryId.load(kept.ids), kept.earliest

    def _forget(self) -> None:
        self._ids = EveryId()
        self.earliest = None
        self._kept_offset = 0

    def _take(self, batch: Batch) -> None:
        if not any(isinstance(record, Usage) and record.id is not None for record in batch.records):
            return
        for record, place in zip(batch.records, batch.offsets(), strict=True):
            self._take_own(record, place)

    def _take_own(self, record: Record, place: int) -> None:
        if not isinstance(record, Usage) or record.id is None:
            return
        self._note(record.id, place)
        if record.alias is not None:
            self._note(record.alias, place)
        if record.source:
            self.earliest = record.timestamp if self.earliest is None else min(self.earliest, record.timestamp)

    def _note(self, name: str, place: int) -> None:
        """Remember where an id stands first. A line that repeats it must not make it slower to find."""
        digest = self._ids.digest(name)
        if not any(self._named(name, known) for known in self._ids.places(digest)):
            self._ids.add(digest, place)


def still_holds(path: Path, mark: Mark) -> bool:
    """Is the file at a path still the ledger of this mark, with all that was read of it?"""
    try:
        fd = open_ledger(path, os.O_RDONLY)
    except FileNotFoundError:
        return not mark.offset
    try:
        return not mark.offset or _fits(mark, fd, os.fstat(fd))
    finally:
        os.close(fd)


def _fits(mark: Mark, fd: int, status: os.stat_result) -> bool:
    return mark.inode == status.st_ino and Tail.at(mark, status).resumes(fd, status)

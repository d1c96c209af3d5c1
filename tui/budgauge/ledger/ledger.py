"""The one open ledger of a process: reads new lines, folds, finds ids, locks and appends."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from budgauge.accounting.accumulator import FOREVER, PricingOf, unpriced
from budgauge.accounting.billing_cycle import Calendar
from budgauge.accounting.deduplicator import Listener
from budgauge.accounting.fold import Totals
from budgauge.accounting.local_zone import LOCAL, local_name
from budgauge.accounting.period import since
from budgauge.accounting.records import Batch, Fault, Record, Usage
from budgauge.accounting.usage_sums import CycleOf, uncut
from budgauge.config import Cycle
from budgauge.errors import LedgerReadError
from budgauge.ledger.checkpoint import Checkpoint, CheckpointStore, DamagedIdsError
from budgauge.ledger.last_seen import LastSeen, LastSeenFile
from budgauge.ledger.open import open_ledger
from budgauge.ledger.tail import LedgerOffset, read_batches, record_at

if TYPE_CHECKING:
    from budgauge.ledger.transaction import File, Transaction

LOCK_TIMEOUT_SECONDS = 10.0
KEPT_FAULTS = 100
"""How many of the first unreadable lines are kept in memory; all are counted."""
RECENT_SECONDS = 7200.0
"""How far back from when reading begins each agent's minutes are kept."""
DUE_BYTES = 1 << 20
"""How many bytes of the ledger are read anew at most; of a shorter ledger no checkpoint is kept."""
WAY_BYTES = 128 << 20
"""A checkpoint is kept on the way after so many bytes: the process may be ended before it reaches the end,"""
WAY_SECONDS = 2.0
"""or after so many seconds: where each line is slow to fold, few bytes take long."""
_Answer = TypeVar("_Answer")
_ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()


def _free_locks() -> None:
    """Give a forked child new locks: another thread's holder does not exist there."""
    for ledger in list(_ledgers):
        ledger.mutex, ledger.turn = threading.RLock(), threading.RLock()


os.register_at_fork(after_in_child=_free_locks)


class Ledger:
    """The ledger at a path. A missing file is an empty ledger.

    `refresh` folds in what is new. `with ledger.locked() as tx: tx.append(record)` writes. Threads that share a
    ledger hold `mutex` while they read its totals; nobody waits for the file's lock with it.
    """

    def __init__(
        self,
        path: Path,
        pricing_of: PricingOf = unpriced,
        *,
        cycle: Cycle | None = None,
        cycle_of: CycleOf | None = None,
        cache: Path | None = None,
        keeps_cache: bool = True,
        keeps_all_ids: bool = False,
        listener: Listener | None = None,
        clock: Callable[[], float] = time.time,
        sync: bool = False,
        lock_timeout: float = LOCK_TIMEOUT_SECONDS,
    ) -> None:
        """`cache` is the folder of checkpoints; None keeps none, and without `keeps_cache` they are only read.

        `keeps_all_ids` lets `find` know every call, however old. `cycle_of` takes the place of a `cycle`, and
        `listener` gets each call, for a reading of one's own: both need a ledger without `cache`. With `sync` a
        record is on the disk before a transaction ends. `lock_timeout` is in seconds.
        """
        self.path = path
        self.sync = sync
        self.lock_timeout = lock_timeout
        self.mutex = threading.RLock()
        self.turn = threading.RLock()
        """Held by the thread that is in a transaction: the file's lock does not keep threads of a process apart."""
        self.exists = False
        """Whether there was a file at the last refresh."""
        self.restarts = 0
        """How often the file turned out to be another than before and was read afresh."""
        self._cache, self._keeps_cache, self._keeps_all_ids = cache, keeps_cache, keeps_all_ids
        self._clock, self._listener = clock, listener
        self.last_seen = LastSeenFile(cache, path) if cache else None
        self.changes = 0
        """How often the totals changed: several threads may refresh one ledger."""
        self.fd = -1
        """The file that is held open just now, to recall records from; -1 if none is."""
        self._trusts_checkpoint = True
        self.file: File | None = None
        """The file as a transaction opened it; None before the first."""
        self._set_terms(pricing_of, cycle, cycle_of)
        self._begin()
        _ledgers.add(self)

    def _set_terms(self, pricing_of: PricingOf, cycle: Cycle | None, cycle_of: CycleOf | None = None) -> None:
        self._pricing_of = pricing_of
        self._cycle_of = cycle_of or (Calendar(cycle).span if cycle else uncut)
        self._checkpoints = (
            CheckpointStore(self._cache, self.path, cycle_name(cycle), keeps_all_ids=self._keeps_all_ids)
            if self._cache
            else None
        )

    def _begin(self) -> None:
        """Begin as for an empty file."""
        self._at = LedgerOffset()
        self._forget()

    def _forget(self) -> None:
        self.changes += 1
        if self._listener is not None:
            self._listener.begin_anew()
        self.totals = Totals(
            self._pricing_of,
            self._cycle_of,
            self.recall,
            recent_from=(self._clock() - RECENT_SECONDS) // 60 * 60,
            keeps_all_ids=self._keeps_all_ids,
            listener=self._listener,
        )
        self.faults: list[Fault] = []
        """The first lines that are no record."""
        self.fault_count = 0
        self.earliest_import: float | None = None
        """Unix seconds of the earliest call that comes from an agent's log; known with `keeps_all_ids` alone."""
        self._kept_offset = 0

    @property
    def offset(self) -> int:
        """How many bytes of the file were read."""
        return self._at.offset

    @property
    def mark(self) -> LedgerOffset:
        """The place up to which the file was read."""
        return msgspec.structs.replace(self._at)

    @property
    def lost(self) -> LastSeen | None:
        """The ledger as last seen, if lines were lost since and no reset or cycle has begun."""
        lost = self.last_seen.lost if self.last_seen else None
        return None if lost is None or self._begins_anew_since(lost.seen_at) else lost

    # Reading.

    def refresh(self) -> bool:
        """Fold in new lines; return True if there were any. Raises LedgerReadError."""
        changed = False
        with self.mutex:
            for _ in self.read_blocks():
                changed = True
        return changed

    def read_blocks(self) -> Iterator[None]:
        """Fold in new lines, and pause after each block and each change of the file. Raises LedgerReadError."""
        try:
            fd = open_ledger(self.path, os.O_RDONLY)
        except FileNotFoundError:
            gone, self.exists = self.exists, False
            if self.last_seen is not None:
                self.last_seen.compare(None)
            if gone:
                self.restarts += 1
                self._begin()
                yield
            return
        try:
            yield from self._blocks(fd, None)
        finally:
            os.close(fd)
        self.keep()

    def refresh_from(self, fd: int, status: os.stat_result | None = None) -> None:
        """Fold in new lines of the open file, whose status is known or not. Raises LedgerReadError."""
        for _ in self._blocks(fd, status):
            pass

    def _blocks(self, fd: int, status: os.stat_result | None) -> Iterator[None]:
        before, self.fd = self.fd, fd
        try:
            try:
                yield from self._folded_blocks(fd, status)
            except DamagedIdsError:
                # Their damage shows only when they are needed; the next checkpoint takes this one's place.
                self._trusts_checkpoint = False
                self._begin()
                yield
                yield from self._folded_blocks(fd, status)
        except OSError as error:
            raise LedgerReadError(
                f"{self.path}: cannot be read: {error.strerror}",
                hint="Check the disk and the file's permissions; budgauge tries again every second.",
            ) from error
        finally:
            self.fd = before

    def _folded_blocks(self, fd: int, status: os.stat_result | None) -> Iterator[None]:
        if not self.exists:
            self.exists = True
            self.changes += 1
            yield
        status = status or os.fstat(fd)
        is_new = not self._at.inode
        if is_new:
            self._restore(fd)
        if not self._at.is_in(fd, status):
            is_other = self._at.inode != 0
            self._at = LedgerOffset(inode=status.st_ino)
            if is_other:
                self.restarts += 1
                self._forget()
                is_new = True
                yield
        if is_new and self.last_seen is not None:
            self.last_seen.compare(fd)
        way_from, due_at = self._at.offset, time.monotonic() + WAY_SECONDS
        for batch in read_batches(fd, self._at):
            self._take(batch)
            yield
            if self._at.offset - way_from >= WAY_BYTES or time.monotonic() > due_at:
                way_from, began = self._at.offset, time.monotonic()
                self.keep()
                # Keeping may be slow as well: most of the time goes on reading.
                due_at = time.monotonic() + max(WAY_SECONDS, 4 * (time.monotonic() - began))

    def _take(self, batch: Batch) -> None:
        self.changes += 1
        self.totals.add(batch.records, batch.offsets)
        # A long past is full of expired ones, of which only some are kept.
        self.totals.holds.move_to(self._clock())
        self.fault_count += len(batch.faults)
        self.faults += batch.faults[: KEPT_FAULTS - len(self.faults)]
        if self._keeps_all_ids:
            self._note_imports(batch.records)

    def _note_imports(self, records: Iterable[Record]) -> None:
        known = FOREVER if self.earliest_import is None else self.earliest_import
        moments = (record.timestamp for record in records if isinstance(record, Usage) and record.id and record.source)
        earliest = min(moments, default=FOREVER)
        if earliest < known:
            self.earliest_import = earliest

    def add_own(self, record: Record, line: bytes) -> None:
        """Fold in a record of this process's own, written right behind the part already read."""
        place = self._at.offset
        self.changes += 1
        self._at.advance(line)
        self.totals.add_one(record, place)
        if self._keeps_all_ids:
            self._note_imports((record,))

    def has_read(self, fd: int, status: os.stat_result) -> bool:
        """Return True if the open file is the ledger read so far, to the last byte, without a torn line at the end."""
        return self._at.has_read(fd, status)

    def set_terms(self, pricing_of: PricingOf, cycle: Cycle | None) -> None:
        """Fold afresh under other prices or another cycle. Where the file cannot be read, the former fold stays.

        Raises LedgerReadError.
        """
        with self.mutex:
            before = self.__dict__.copy()
            self._set_terms(pricing_of, cycle)
            self._begin()
            try:
                self.refresh()
            except LedgerReadError:
                self.__dict__.update(before)
                raise

    def refold(self) -> None:
        """Fold afresh: prices tell calls apart by other tiers now. Raises LedgerReadError."""
        with self.mutex:
            self._begin()
            self.refresh()

    # Finding.

    def find(self, name: str) -> Usage | None:
        """Return the first counted call with an id or alias; None without one. Raises LedgerReadError."""
        return self.answer(lambda: self.totals.seen.find(name))

    def answer(self, question: Callable[[], _Answer]) -> _Answer:
        """Ask the totals a question about ids. Raises LedgerReadError."""
        try:
            return question()
        except DamagedIdsError:
            self._trusts_checkpoint = False
            self.refold()
            return question()

    def recall(self, place: int) -> Record | None:
        """Return the record whose line begins at an offset."""
        if self.fd >= 0:
            return record_at(self.fd, place)
        fd = open_ledger(self.path, os.O_RDONLY)
        try:
            return record_at(fd, place)
        finally:
            os.close(fd)

    # Writing.

    def locked(self) -> Transaction:
        """Return a transaction. Entered, a transaction holds the lock, with others' lines folded in."""
        # Loaded here: many processes only read.
        from budgauge.ledger.transaction import Transaction

        if self.file is None and not self.exists:
            # The long first reading is not for the time when others wait; what is wrong shows under the lock.
            with suppress(LedgerReadError):
                self.refresh()
        return Transaction(self)

    def check_writable(self) -> None:
        """Raise LedgerError if nothing could be recorded here, as far as can be seen without writing."""
        if self.file is None or not self.file.is_ledger_at(self.path):
            from budgauge.ledger.transaction import check_writable

            check_writable(self.path)

    # Keeping.

    def keep(self) -> None:
        """Keep a checkpoint of a long ledger, and the note of the ledger's length, when due."""
        if not self._keeps_cache:
            return
        last_seen = self.last_seen
        if last_seen is not None:
            if last_seen.lost is not None and self._begins_anew_since(last_seen.lost.seen_at):
                last_seen.begin_anew()
            if last_seen.is_due(self._at.offset, now := self._clock()):
                last_seen.note(self._at, now)
        if self._checkpoints is None or self._at.offset - self._kept_offset < DUE_BYTES:
            return
        self._kept_offset = self._at.offset
        if not self._checkpoints.is_fresh():
            shapes = {model: self._shape(model) for model in self.totals.models()}
            faults = self.faults, self.fault_count
            # Sums that no checkpoint can hold come from hostile lines; without one, reading only takes longer.
            with suppress(DamagedIdsError, OverflowError):
                self._checkpoints.write(self._at, self.totals, shapes, *faults, self.earliest_import)

    def _begins_anew_since(self, moment: float) -> bool:
        """Whether a reset or a cycle began at or after a moment (unix seconds)."""
        begun = since(self.totals, self._clock())
        return begun is not None and begun >= moment

    def _restore(self, fd: int) -> None:
        """Go on from the last checkpoint of this very file, if any."""
        status = os.fstat(fd)
        if self._checkpoints is None or not self._trusts_checkpoint or status.st_size < DUE_BYTES:
            return

        def fits(checkpoint: Checkpoint) -> bool:
            same = all(self._shape(model) == shape for model, shape in checkpoint.shapes.items())
            return same and checkpoint.mark.is_in(fd, status)

        checkpoint = self._checkpoints.restore(self.totals, fits)
        if checkpoint is None:
            self._forget()
            return
        self._at = checkpoint.mark
        self._kept_offset = self._at.offset
        self.faults, self.fault_count = checkpoint.faults, checkpoint.fault_count
        self.earliest_import = checkpoint.earliest_import

    def _shape(self, model: str) -> str:
        pricing = self._pricing_of(model)
        return pricing.shape if pricing else ""


def cycle_name(cycle: Cycle | None) -> str:
    """Name a cycle setting uniquely."""
    if cycle is None:
        return ""
    name = repr(msgspec.structs.astuple(cycle))
    return f"{name} {local_name()}" if cycle.timezone == LOCAL else name

"""The doctor's checks of the ledger: the file, every line, the lock and the checkpoint."""

from __future__ import annotations

import fcntl
import os
import shlex
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from budgauge.accounting.deduplicator import Recall
from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Batch, Fault
from budgauge.config.load import Loaded
from budgauge.doctor.finding import Finding, fail, ok, warn
from budgauge.doctor.surroundings import existing
from budgauge.errors import LedgerRefusedError
from budgauge.files.cache import cache_folder
from budgauge.ledger.checkpoint import CheckpointStore
from budgauge.ledger.foreign import check_is_ledger
from budgauge.ledger.last_seen import LastSeenFile
from budgauge.ledger.ledger import Ledger, cycle_name
from budgauge.ledger.lock import holder
from budgauge.ledger.open import open_ledger
from budgauge.ledger.tail import LedgerOffset, read_batches, record_at
from budgauge.pricing.price_book import PriceBook
from budgauge.status.problems import fold_problems, lost_words, name_problems
from budgauge.text import count, plural

_TRIES = 100
"""To read a ledger twice to the same place while others write."""
_LOCK_TRIES, _LOCK_PAUSE_SECONDS = 20, 0.05
REASONS = {
    "id_conflict": "its id is known, with other content",
    "undo_without_reset": "it undoes no reset that could be undone",
    "second_end": "it ends a reservation that had ended",
}


@contextmanager
def opened(path: Path) -> Iterator[int | None]:
    """Open a ledger for reading; None without a file. Raises LedgerReadError."""
    try:
        fd = open_ledger(path, os.O_RDONLY)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd
    finally:
        os.close(fd)


def ledger(loaded: Loaded) -> Finding:
    """Check the file: its kind, mode and size, and lines lost since it was last seen."""
    path = loaded.ledger.path
    with opened(path) as fd:
        if fd is None:
            return _lost_lines(loaded, None) or ok(f"{path}: no file yet; the first record makes it")
        status = os.fstat(fd)
        try:
            check_is_ledger(path, fd)
        except LedgerRefusedError as error:
            return fail(str(error), error.hint)
        lost = _lost_lines(loaded, fd)
    message, fix = f"{path}: {count(status.st_size)} bytes", f"chmod 600 {shlex.quote(str(path))}"
    if not os.access(path, os.W_OK):
        return fail(f"{path}: cannot be written", fix)
    if lost is not None:
        return lost
    if stat.S_IMODE(status.st_mode) & 0o077:
        return warn(f"{message}; others may read or write it", fix)
    return ok(message)


def _lost_lines(loaded: Loaded, fd: int | None) -> Finding | None:
    """Return a warning if the ledger was longer before, or another file, with no reset or cycle begun since."""
    seen = LastSeenFile(cache_folder(), loaded.ledger.path)
    seen.compare(fd)
    if seen.lost is None:
        return None
    ledger = Ledger(loaded.ledger.path, cycle=loaded.config.cycle, cache=cache_folder(), keeps_cache=False)
    ledger.refresh()
    if ledger.lost is None:
        return None
    message = f"{loaded.ledger.path}: {lost_words(ledger.lost, ledger.offset)}"
    fix = (
        "Put the file back, or start anew with a reset (budgauge reset). "
        f"If the lines were removed on purpose, remove the note of them: rm {shlex.quote(str(seen.path))}"
    )
    return warn(message, fix)


def lines(loaded: Loaded) -> Finding:
    """Check every line of the ledger, and name each one that does not count."""
    with opened(loaded.ledger.path) as fd:
        if fd is None:
            return ok("none yet")
        scan = _Scan(partial(record_at, fd))
        at = LedgerOffset()
        for batch in read_batches(fd, at):
            scan.add(batch)
        torn = at.is_skipping or at.offset != os.fstat(fd).st_size
        details = list(scan.lines(fd))
    odd = [problem.message for problem in fold_problems(scan.totals.sums.flagged)]
    names = scan.totals.agents() | scan.totals.models() | {hold.agent_id for hold in scan.totals.holds.values()}
    odd += [problem.message for problem in name_problems(names)]
    message = f"{plural(scan.records, 'record')}, {plural(len(details), 'line')} skipped"
    if torn:
        odd.append("the last line has no end; the next writer ends it")
    if not details:
        return ok(message, odd)
    fix = (
        "They stay in the file and are not counted. Correct or remove them while nothing writes; "
        "then look again: a checkpoint made before may have to go."
    )
    return warn(message, fix, [*details, *odd])


class _Scan:
    """A reading of all lines that notes the place of each line not counted."""

    def __init__(self, recall: Recall) -> None:
        self.totals = Totals(recall=recall)
        self.records = 0
        self._faults: list[Fault] = []

    def add(self, batch: Batch) -> None:
        """Take a batch in."""
        self._faults += batch.faults
        self.records += len(batch.records)
        starts = list(batch.offsets())
        before = dict(self.totals.seen.set_aside)
        for record, start in zip(batch.records, starts, strict=True):
            self.totals.add_one(record, start)
            if self.totals.seen.set_aside != before:
                self.records -= 1
                kind = next(k for k, number in self.totals.seen.set_aside.items() if before.get(k) != number)
                before = dict(self.totals.seen.set_aside)
                self._faults.append(Fault(start, 0, REASONS[kind]))

    def lines(self, fd: int) -> Iterator[str]:
        """Yield the trouble with each skipped line, by number."""
        number, position = 1, 0
        for fault in sorted(self._faults, key=lambda fault: fault.offset):
            while position < fault.offset:
                block = os.pread(fd, min(1 << 20, fault.offset - position), position)
                number += block.count(b"\n")
                position += len(block)
            yield f"line {number} (byte {fault.offset}): {fault.reason}"


def lock(loaded: Loaded) -> Finding:
    """Check that the lock is free, or soon will be."""
    with opened(loaded.ledger.path) as fd:
        if fd is None:
            return ok("nothing to lock yet")
        for _ in range(_LOCK_TRIES):
            with suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(fd, fcntl.LOCK_UN)
                return ok("free")
            time.sleep(_LOCK_PAUSE_SECONDS)
        who = holder(fd) or "another process"
    message = f"{who} has held it for a second and more; nobody else can record"
    return fail(message, "See what that process is doing; if it hangs, end it.")


def checkpoint(loaded: Loaded) -> Finding:
    """Check that the checkpoint agrees with the ledger."""
    folder, path, cycle = cache_folder(), loaded.ledger.path, loaded.config.cycle
    store = CheckpointStore(folder, path, cycle_name(cycle))
    if not os.access(existing(folder), os.W_OK):
        fix = f"Make {folder} writable: without it, long ledgers are read anew at every start."
        return warn(f"{folder}: cannot be written", fix)
    if store.read() is None:
        return ok("none; a ledger of more than a mebibyte gets one")
    prices = PriceBook(loaded.config.prices, factors=loaded.config.price_factors, folder=folder)
    fresh = Ledger(path, prices.pricing_of, cycle=cycle)
    kept = Ledger(path, prices.pricing_of, cycle=cycle, cache=folder, keeps_cache=False)
    if not _read_equally_far(kept, fresh):
        return ok("not compared: the ledger grows too quickly just now")
    if kept.totals.state() != fresh.totals.state():
        message = f"{store.path}: does not agree with the ledger, whose old lines were changed by hand"
        return fail(message, f"Remove it: rm {shlex.quote(str(store.path))}")
    return ok("agrees with a fresh reading of the ledger")


def _read_equally_far(*ledgers: Ledger) -> bool:
    """Read each up to the same place; False if others wrote too quickly."""
    for _ in range(_TRIES):
        for ledger in ledgers:
            ledger.refresh()
        if len({ledger.offset for ledger in ledgers}) == 1:
            return True
    return False

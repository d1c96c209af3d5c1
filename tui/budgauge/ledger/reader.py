"""A ledger read into totals, kept up to date by reading only what is new."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from budgauge.config import Cycle
from budgauge.cycle import Calendar
from budgauge.errors import LedgerReadError
from budgauge.ledger.checkpoint import DUE_BYTES, Checkpoint, CheckpointStore, DamagedIdsError
from budgauge.ledger.tail import MAX_LINE_BYTES, Tail
from budgauge.records import Fault, Record, Release, Reserve, Settle, Usage, decode
from budgauge.totals import PricingOf, Totals, uncut, unpriced

KEPT_FAULTS = 100
"""How many of the first lines set aside are kept in memory; all are counted."""
_USUAL_LINE_BYTES = 1024
_Answer = TypeVar("_Answer")


class LedgerReader:
    """The ledger at a path, folded. Used by one thread at a time."""

    def __init__(
        self,
        path: Path,
        pricing_of: PricingOf = unpriced,
        *,
        cycle: Cycle | None = None,
        checkpoints: Path | None = None,
    ) -> None:
        """`checkpoints` is the folder where the fold of a long ledger is kept; None keeps none."""
        self.path = path
        self.faults: list[Fault] = []
        """The first lines set aside."""
        self.fault_count = 0
        self.exists = False
        """Was there a file at the last refresh?"""
        self.restarts = 0
        """How often the file turned out to be another than before and was read afresh."""
        self._pricing_of = pricing_of
        self._cycle_of = Calendar(cycle).span if cycle else uncut
        self._store = CheckpointStore(checkpoints, path, cycle_name(cycle)) if checkpoints else None
        self._trusts_checkpoint = True
        self._kept_offset = 0
        self._fd = -1
        self._tail = Tail()
        self._forget()

    @property
    def offset(self) -> int:
        """How many bytes of the file are folded."""
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

    def refold(self) -> None:
        """Forget the fold and make it again, for instance because prices tell calls apart by other tiers."""
        self._tail = Tail()
        self._forget()
        self.refresh()

    def add_own(self, record: Record, line: bytes) -> None:
        """Fold in a line that stands right behind what was read."""
        place = self._tail.offset
        self._tail.skip(line)
        self.totals.add_one(record, place)

    def has_read(self, fd: int, status: os.stat_result) -> bool:
        """Is this open file the one that was read, and is there nothing in it that was not, not even a torn line?"""
        return self._tail.has_read(status.st_size) and self._tail.stands_in(fd, status)

    def use(self, fd: int) -> None:
        """Recall records from this open file from now on; -1: from what stands at the path."""
        self._fd = fd

    def known(self, usage: Usage) -> bool | None:
        """As Totals.known."""
        return self._asked(lambda: self.totals.known(usage))

    def known_hold(self, reserve: Reserve) -> bool | None:
        """As Totals.known_hold."""
        return self._asked(lambda: self.totals.known_hold(reserve))

    def ending(self, reserve_id: str) -> Settle | Release | None:
        """As Totals.ending."""
        return self._asked(lambda: self.totals.ending(reserve_id))

    def keep(self) -> None:
        """Keep the fold as a checkpoint if much was read since the last one."""
        if self._store is None or self._tail.offset - self._kept_offset < DUE_BYTES:
            return
        self._kept_offset = self._tail.offset
        if not self._store.is_fresh():
            shapes = {model: self._shape(model) for model in self.totals.models()}
            # Sums that no checkpoint can hold come from hostile lines; without one, reading only takes longer.
            with suppress(DamagedIdsError, OverflowError):
                self._store.write(self._tail.mark, self.totals, shapes, self.faults, self.fault_count)

    def _asked(self, question: Callable[[], _Answer]) -> _Answer:
        try:
            return question()
        except DamagedIdsError:
            self._trusts_checkpoint = False
            self.refold()
            return question()

    def _read(self, fd: int, status: os.stat_result | None) -> bool:
        changed = not self.exists
        self.exists = True
        before, self._fd = self._fd, fd
        try:
            if self._tail.is_new:
                self._restore(fd)
            if not self._tail.resumes(fd, status):
                self._start_afresh()
                changed = True
            return self._fold(fd) or changed
        except OSError as error:
            raise LedgerReadError(
                f"{self.path}: cannot be read: {error.strerror}",
                hint="Check the disk and the file's permissions; budgauge tries again every second.",
            ) from error
        except DamagedIdsError:
            # It was not known to be damaged before it was needed; the next one takes its place.
            self._trusts_checkpoint = False
            self._tail = Tail()
            self._forget()
            self._tail.resumes(fd)
            return self._fold(fd) or True
        finally:
            self._fd = before

    def _fold(self, fd: int) -> bool:
        changed = False
        for batch in self._tail.read(fd):
            self.totals.add(batch.records, batch.offsets)
            self.fault_count += len(batch.faults)
            self.faults += batch.faults[: KEPT_FAULTS - len(self.faults)]
            changed = True
        return changed

    def _restore(self, fd: int) -> None:
        """Go on from the last checkpoint, if it is of this very file."""
        status = os.fstat(fd)
        if self._store is None or not self._trusts_checkpoint or status.st_size < DUE_BYTES:
            return

        def fits(checkpoint: Checkpoint) -> bool:
            return (
                checkpoint.mark.inode == status.st_ino
                and all(self._shape(model) == shape for model, shape in checkpoint.shapes.items())
                and Tail.at(checkpoint.mark, status).resumes(fd, status)
            )

        checkpoint = self._store.restore(self.totals, fits)
        if checkpoint is None:
            self._forget()
            return
        self._tail = Tail.at(checkpoint.mark, status)
        self._kept_offset = self._tail.offset
        self.faults, self.fault_count = checkpoint.faults, checkpoint.fault_count

    def _shape(self, model: str) -> str:
        pricing = self._pricing_of(model)
        return pricing.shape if pricing else ""

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

    def _start_afresh(self) -> None:
        self.restarts += 1
        self._forget()

    def _forget(self) -> None:
        self.totals = Totals(self._pricing_of, self._cycle_of, self.recall)
        self.faults = []
        self.fault_count = self._kept_offset = 0


def cycle_name(cycle: Cycle | None) -> str:
    """A cycle setting as a text that tells it from others."""
    return repr(msgspec.structs.astuple(cycle)) if cycle else ""


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

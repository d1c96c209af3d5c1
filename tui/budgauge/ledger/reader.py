"""A ledger read into totals, kept up to date by reading only what is new."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from budgauge.errors import LedgerReadError
from budgauge.ledger.tail import Tail
from budgauge.records import Fault
from budgauge.totals import BucketOf, Totals

KEPT_FAULTS = 100
"""How many of the first lines set aside are kept in memory; all are counted."""


class LedgerReader:
    """The ledger at a path, folded. Used by one thread at a time."""

    def __init__(self, path: Path, bucket_of: BucketOf = lambda _model: None) -> None:
        self.path = path
        self.totals = Totals(bucket_of)
        self.faults: list[Fault] = []
        """The first lines set aside."""
        self.fault_count = 0
        self.exists = False
        """Was there a file at the last refresh?"""
        self.restarts = 0
        """How often the file turned out to be another than before and was read afresh."""
        self._bucket_of = bucket_of
        self._tail = Tail()

    def refresh(self, fd: int | None = None) -> bool:
        """Read what is new, of `fd` if given, else of the path; was there anything?

        A missing file is an empty ledger. Raises LedgerReadError where something stands in
        its place that cannot be read.
        """
        if fd is not None:
            return self._read(fd)
        try:
            opened = open_ledger(self.path, os.O_RDONLY)
        except FileNotFoundError:
            gone, self.exists = self.exists, False
            if gone:
                self._start_afresh()
                self._tail = Tail()
            return gone
        try:
            return self._read(opened)
        finally:
            os.close(opened)

    def refold(self) -> None:
        """Forget the fold and read the file from its start, for instance with other price buckets."""
        self._tail = Tail()
        self._forget()
        self.refresh()

    def _read(self, fd: int) -> bool:
        changed = not self.exists
        self.exists = True
        try:
            if not self._tail.resumes(fd):
                self._start_afresh()
                changed = True
            for batch in self._tail.read(fd):
                self.totals.add(batch.records)
                self.fault_count += len(batch.faults)
                self.faults += batch.faults[: KEPT_FAULTS - len(self.faults)]
                changed = True
        except OSError as error:
            raise LedgerReadError(
                f"{self.path}: cannot be read: {error.strerror}",
                hint="Check the disk and the file's permissions; budgauge tries again every second.",
            ) from error
        return changed

    def _start_afresh(self) -> None:
        self.restarts += 1
        self._forget()

    def _forget(self) -> None:
        self.totals = Totals(self._bucket_of)
        self.faults.clear()
        self.fault_count = 0


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

"""Opening a ledger: a regular file, never through a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from budgauge.errors import LedgerReadError
from budgauge.ledger.tail import LedgerOffset


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
    """Name the kind of file at a path."""
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


def still_holds(path: Path, mark: LedgerOffset) -> bool:
    """Return True if the file at a path is still the ledger of a mark, with everything read up to the mark."""
    try:
        fd = open_ledger(path, os.O_RDONLY)
    except FileNotFoundError:
        return not mark.offset
    try:
        return not mark.offset or mark.is_in(fd, os.fstat(fd))
    finally:
        os.close(fd)

"""One collector a ledger at a time: two would read the same logs for nothing."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from budgauge.errors import SourceError
from budgauge.files.cache import short_name


class BusyError(SourceError):
    """Another collector is at work on the ledger."""


def lock_name(ledger: Path) -> str:
    """The name of the lock's file for a ledger, whichever way the ledger's path is written."""
    return f"collect-{short_name(os.path.realpath(ledger))}.lock"


@contextmanager
def only_collector(path: Path | None) -> Iterator[None]:
    """Hold the lock at `path`, or raise BusyError naming the holder's process. None: no lock is needed.

    The file stays: removing it would let two in. The system frees the lock if its holder dies.
    """
    if path is None:
        yield
        return
    descriptor = _open(path)
    try:
        _take(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """Open the lock's file and make it if missing, never through a link, and only as a regular file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        if path.is_symlink() or path.is_dir():
            raise _not_a_lock(path) from error
        raise _failed(path, error, "Check the folder's permissions and the disk; the lock is made there.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_a_lock(path)
    return descriptor


def _not_a_lock(path: Path) -> SourceError:
    return SourceError(
        f"cannot lock the collection: {path} is not a regular file",
        hint="Remove what stands there; budgauge makes the lock's file anew.",
    )


def _failed(path: Path, error: OSError, hint: str) -> SourceError:
    return SourceError(f"cannot lock the collection: {path}: {error.strerror}", hint=hint)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BusyError(
            f"another collector (process {_holder(descriptor)}) is already working on this ledger",
            hint="It does the same work; use its numbers, or stop it first.",
        ) from None
    except OSError as error:
        raise _failed(path, error, "Use a local disk for it.") from error
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
    except OSError as error:
        raise _failed(path, error, "Free some space or fix the disk, then try again.") from error


def _holder(descriptor: int) -> str:
    text = os.read(descriptor, 32).decode("ascii", errors="replace").strip()
    return text if text.isdigit() else "unknown"

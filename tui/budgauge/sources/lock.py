"""One collector a ledger at a time: two would read the same logs for nothing."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from budgauge.errors import SourceError


def lock_name(ledger: Path) -> str:
    """The name of the lock's file for a ledger, whichever way the ledger's path is written."""
    return f"collect-{hashlib.sha256(os.path.realpath(ledger).encode(errors='surrogateescape')).hexdigest()[:16]}.lock"


@contextmanager
def only_collector(path: Path | None) -> Iterator[None]:
    """Hold the lock at `path`, or raise SourceError naming the process that does. None: nothing to hold.

    The file stays: removing it would let two in. The system frees the lock if its holder dies.
    """
    if path is None:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    except OSError as error:
        raise SourceError(f"cannot lock the collection: {path}: {error.strerror}") from error
    try:
        _take(descriptor)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SourceError(
                f"another collector (process {_holder(descriptor)}) is already working on this ledger",
                hint="It does the same work; use its numbers, or stop it first.",
            ) from None
        except OSError as error:
            raise SourceError(f"cannot lock the collection: {error.strerror}") from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, b"%d\n" % os.getpid())


def _holder(descriptor: int) -> str:
    text = os.read(descriptor, 32).decode("ascii", errors="replace").strip()
    return text if text.isdigit() else "unknown"

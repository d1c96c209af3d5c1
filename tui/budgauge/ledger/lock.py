"""The ledger's lock: flock on the file itself, waited for fairly and not for ever."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from budgauge.errors import LedgerWriteError, LockTimeoutError


def take_lock(path: Path, fd: int, deadline: float) -> None:
    """Lock the open file by `deadline`, on the monotonic clock. Raises LockTimeoutError, LedgerWriteError."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    except BlockingIOError:
        pass
    except OSError as error:
        raise LedgerWriteError(f"{path}: cannot be locked: {error.strerror}", hint="Use a local disk.") from error
    try:
        waiter = _Waiter(fd) if time.monotonic() < deadline else None
    except OSError as error:
        raise LedgerWriteError(f"{path}: cannot be locked: {error.strerror}", hint="Use a local disk.") from error
    if waiter is None or not waiter.wait(deadline - time.monotonic()):
        raise LockTimeoutError(
            f"{path}: {holder(fd) or 'another process'} has held the ledger's lock for too long",
            hint="Find it with `fuser` or `lsof` on that file; nothing was recorded.",
        )


def release_lock(fd: int) -> None:
    """Give the lock back. A process forked meanwhile holds the same open file: closing ours would not free the lock."""
    try:  # noqa: SIM105  # done at every record: contextlib.suppress costs more than the call itself
        fcntl.flock(fd, fcntl.LOCK_UN)
    except OSError:
        pass


def holder(fd: int) -> str | None:
    """Return the process with a file's lock, where Linux tells."""
    status = os.fstat(fd)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with suppress(OSError, UnicodeDecodeError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == place and fields[4].isdigit():
                return f"process {fields[4]}"
    return None


class _Waiter:
    """A thread waiting for a lock, because flock itself knows no timeout.

    It waits on a duplicate of the descriptor: the same open file, so its lock is ours. Given
    up, it drops the lock as soon as it gets it.
    """

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)
        self._mutex = threading.Lock()
        self._given_up = False
        self._done = threading.Event()
        self._failed: OSError | None = None
        threading.Thread(target=self._run, name="budgauge-lock", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait for the lock; False after the timeout."""
        try:
            got = self._done.wait(max(0.0, seconds))
        except BaseException:
            self._give_up()
            raise
        if not got and self._give_up():
            return False
        if self._failed is not None:
            raise self._failed
        return True

    def _give_up(self) -> bool:
        """Give up waiting; False if the lock is already there."""
        with self._mutex:
            self._given_up = not self._done.is_set()
            return self._given_up

    def _run(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        except OSError as error:
            self._failed = error
        with self._mutex:
            if self._given_up:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            self._done.set()
        os.close(self._fd)

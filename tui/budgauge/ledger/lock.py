"""The ledger's lock: flock on the file itself, waited for fairly and not for ever."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from budgauge.errors import LedgerWriteError, LockTimeoutError

ASKING_SECONDS = 0.0001


def take_lock(path: Path, fd: int, timeout: float) -> None:
    """Lock the open file, for at most `timeout` seconds. Raises LockTimeoutError, LedgerWriteError.

    Holding it takes microseconds, so a short time of asking again, giving the processor away
    each time, spares nearly all waiters two changes of thread. Who is not served by then waits
    in the kernel's queue.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    except BlockingIOError:
        pass
    except OSError as error:
        raise LedgerWriteError(f"{path}: cannot be locked: {error.strerror}", hint="Use a local disk.") from error
    try:
        if _asked_again(fd, min(timeout, ASKING_SECONDS)):
            return
        waiter = _Waiter(fd)
    except OSError as error:
        raise LedgerWriteError(f"{path}: cannot be locked: {error.strerror}", hint="Use a local disk.") from error
    if not waiter.wait(timeout):
        raise LockTimeoutError(
            f"{path}: {_holder(fd)} has held the ledger's lock for too long",
            hint="Find it with `fuser` or `lsof` on that file; nothing was recorded.",
        )


def release_lock(fd: int) -> None:
    """Give the lock back. A process forked meanwhile holds the same open file: closing ours would not free it."""
    try:  # noqa: SIM105  # done at every record: contextlib.suppress costs more than the call itself
        fcntl.flock(fd, fcntl.LOCK_UN)
    except OSError:
        pass


def _asked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _asked_again(fd: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        os.sched_yield()
        if _asked(fd):
            return True
    return False


def holder(fd: int) -> str | None:
    """The process that holds a file's lock, where Linux tells."""
    found = _holder(fd)
    return None if found == "another process" else found


def _holder(fd: int) -> str:
    """Who holds a file's lock, where Linux tells."""
    status = os.fstat(fd)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with suppress(OSError, UnicodeDecodeError):
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == place and fields[4].isdigit():
                return f"process {fields[4]}"
    return "another process"


class _Waiter:
    """A thread that waits for a lock, because flock itself knows no timeout.

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
        """Wait for the lock; False if it did not come in time."""
        got = self._done.wait(max(0.0, seconds))
        with self._mutex:
            if not got and not self._done.is_set():
                self._given_up = True
                return False
        if self._failed is not None:
            raise self._failed
        return True

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

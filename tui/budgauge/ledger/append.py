"""Writing the ledger: under a lock on the file itself, one write a record, nothing acknowledged that is not there."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from budgauge.errors import LedgerReadError, LedgerRefusedError, LedgerWriteError, LockTimeoutError
from budgauge.ledger.reader import kind_of, open_ledger
from budgauge.ledger.tail import MAX_LINE_BYTES
from budgauge.records import Record, decode, encode

LOCK_TIMEOUT_SECONDS = 10.0


class Transaction:
    """The ledger while its lock is held: append what was decided."""

    def __init__(self, path: Path, fd: int, *, sync: bool) -> None:
        self.fd = fd
        self._path = path
        self._sync = sync

    def seal(self) -> None:
        """End a torn last line, left by a writer that died, so that what it holds is read before anything is decided.

        Raises LedgerWriteError.
        """
        try:
            size, torn = self._end()
            if torn:
                self._write(b"\n", size)
        except OSError as error:
            raise self._failure(error) from error

    def append(self, record: Record) -> None:
        """Write one record; when this returns, the line stands in the file (with `sync`, on the disk).

        Raises LedgerWriteError if any system call fails; what was written of the record is then
        taken back, unless that fails too.
        """
        try:
            size, torn = self._end()
            self._write((b"\n" if torn else b"") + encode(record), size)
        except OSError as error:
            raise self._failure(error) from error

    def _end(self) -> tuple[int, bool]:
        """The file's size, and whether its last line has no end."""
        size = os.fstat(self.fd).st_size
        return size, size > 0 and os.pread(self.fd, 1, size - 1) != b"\n"

    def _write(self, data: bytes, size: int) -> None:
        written = os.write(self.fd, data)
        try:
            if written != len(data):
                raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes were written")
            if self._sync:
                os.fsync(self.fd)
                if size == 0:
                    _sync_folder(self._path.parent)
        except OSError:
            # Not if someone without the lock has added to it meanwhile.
            if os.fstat(self.fd).st_size == size + written:
                os.ftruncate(self.fd, size)
            raise

    def _failure(self, error: OSError) -> LedgerWriteError:
        return LedgerWriteError(
            f"{self._path}: the record was not written: {error.strerror}",
            hint="Free some space or mend the disk, then try again; the ledger itself is sound.",
        )


@contextmanager
def locked(path: Path, *, sync: bool = False, timeout: float = LOCK_TIMEOUT_SECONDS) -> Iterator[Transaction]:
    """Hold the ledger's lock. Makes the file (0600) and its folder if they are missing.

    Raises LockTimeoutError after `timeout` seconds, LedgerRefusedError if what stands at the
    path is not ours to write, LedgerWriteError if it cannot be opened.
    """
    deadline = time.monotonic() + timeout
    with _typed(path):
        fd = _open_locked(path, deadline, sync)
    try:
        with _typed(path):
            _check_is_ledger(path, fd)
        yield Transaction(path, fd, sync=sync)
    finally:
        # A process forked meanwhile holds the same open file: closing ours would not free the lock.
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)


@contextmanager
def _typed(path: Path) -> Iterator[None]:
    """Errors of the system as LedgerWriteError."""
    try:
        yield
    except OSError as error:
        raise LedgerWriteError(
            f"{path}: cannot be used: {error.strerror}", hint="Check the disk; nothing was recorded."
        ) from error


def _open_locked(path: Path, deadline: float, sync: bool) -> int:
    """A descriptor that holds the lock of the file that stands at `path` now."""
    while True:
        fd = _open_for_append(path, sync)
        try:
            fd = _lock(path, fd, deadline)
            if _names(path, fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _open_for_append(path: Path, sync: bool) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    try:
        try:
            return open_ledger(path, flags)
        except FileNotFoundError:
            _make_folder(path.parent, sync)
            return open_ledger(path, flags)
    except LedgerReadError as error:
        if kind_of(path) in ("a file", "missing"):
            raise LedgerWriteError(str(error), hint="Check its permissions and the disk.") from error
        raise LedgerRefusedError(str(error), hint=error.hint) from error
    except OSError as error:
        raise LedgerWriteError(f"{path}: cannot be made: {error.strerror}", hint="Name another ledger.") from error


def _make_folder(folder: Path, sync: bool) -> None:
    """Make a folder and those above it; with `sync`, so that they are on the disk."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sync:
        for place in reversed(missing):
            _sync_folder(place.parent)


def _sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk: a synced file is lost all the same if its name is."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some file systems have no such thing.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(fd)


def _names(path: Path, fd: int) -> bool:
    """Does the path still name the open file?"""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def _lock(path: Path, fd: int, deadline: float) -> int:
    """Lock the open file, waiting in the kernel's queue, so that waiting is fair and costs nothing."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return fd
    except BlockingIOError:
        pass
    except OSError as error:
        raise LedgerWriteError(f"{path}: cannot be locked: {error.strerror}", hint="Use a local disk.") from error
    waiter = _Waiter(fd)
    if waiter.wait(deadline - time.monotonic()):
        return fd
    raise LockTimeoutError(
        f"{path}: {_holder(fd)} has held the ledger's lock for too long",
        hint="Find it with `fuser` or `lsof` on that file; nothing was recorded.",
    )


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


def _check_is_ledger(path: Path, fd: int) -> None:
    """LedgerRefusedError if the file holds something, but no readable ledger line in its first 64 KiB.

    Blank lines and NULs before that are nothing. Nor are lines foreign that begin like our own
    and break off: a writer died in the very first one. Both are written after; the torn line is
    sealed first.
    """
    head = _head(fd)
    if not head or _readable(head) or all(map(_is_torn, filter(None, _lines(head)))):
        return
    raise LedgerRefusedError(
        f"{path}: holds no ledger line in its first 64 KiB; budgauge does not write into files of another kind",
        hint="Name another ledger, or move this file away.",
    )


_BLANK = b" \t\r\n\0"


def _head(fd: int) -> bytes:
    """The file's first 64 KiB from the first byte on that is not blank; nothing if there is none."""
    block = os.pread(fd, MAX_LINE_BYTES, 0)
    end, held = len(block), block.removeprefix(b"\xef\xbb\xbf").lstrip(_BLANK)
    while block and not held:
        block = os.pread(fd, MAX_LINE_BYTES, end)
        end, held = end + len(block), block.lstrip(_BLANK)
    return held if len(held) == len(block) else os.pread(fd, MAX_LINE_BYTES, end - len(held))


def _lines(head: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(head):
        end = head.find(b"\n", start)
        end = len(head) if end < 0 else end
        yield head[start:end].strip(_BLANK)
        start = end + 1


def _readable(head: bytes) -> bool:
    # Line by line, and no further than the first that is readable: this is asked at every record.
    return any(decode(line + b"\n").records for line in _lines(head))


_OWN_STARTS = (
    b'{"agent_id":',
    *(b'{"type":"%s"' % kind for kind in (b"settle", b"reset", b"undo_reset", b"reserve", b"release")),
)
_LEAST_START = len(b'{"type":')


def _is_torn(line: bytes) -> bool:
    """Does it begin as our own lines do, and break off?"""
    if len(line) < _LEAST_START or line.endswith(b"}"):
        return False
    return any(line[: len(start)] == start[: len(line)] for start in _OWN_STARTS)

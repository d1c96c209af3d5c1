"""Writing the ledger: under a lock on the file itself, one write a record, nothing acknowledged that is not there."""

from __future__ import annotations

import errno
import os
import time
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from budgauge.accounting.records import Record, encode
from budgauge.errors import LedgerReadError, LedgerRefusedError, LedgerWriteError
from budgauge.ledger.file import LedgerFile, kind_of, open_ledger
from budgauge.ledger.foreign import check_is_ledger
from budgauge.ledger.lock import release_lock, take_lock
from budgauge.ledger.network import check_is_local
from budgauge.ledger.sync import Disk, sync_folder
from budgauge.ledger.tail import MAX_LINE_BYTES

LOCK_TIMEOUT_SECONDS = 10.0


class LedgerWriter:
    """A ledger that is kept open for writing. Used by one thread at a time; while it is entered, the lock is held.

    Entering makes the file (0600) and its folder if they are missing, and folds in everything
    that others wrote. Raises LockTimeoutError after `timeout` seconds, LedgerRefusedError if
    what stands at the path is not ours to write, LedgerWriteError if it cannot be opened.
    """

    def __init__(self, reader: LedgerFile, *, sync: bool = False, timeout: float = LOCK_TIMEOUT_SECONDS) -> None:
        self.sync = sync
        self._reader = reader
        self._path = reader.path
        self._name = os.fspath(reader.path)
        self.timeout = timeout
        """Seconds to wait for the lock."""
        self._file: _File | None = None
        self._written: Written | None = None

    def __enter__(self) -> LedgerWriter:
        self._written = None
        try:
            file, status = self._open_locked()
            try:
                self._reader.use(file.fd)
                if file.checked != self._reader.restarts or not self._reader.has_read(file.fd, status):
                    self._catch_up(file, status)
            except BaseException:
                self._reader.use(-1)
                release_lock(file.fd)
                raise
        except OSError as error:
            raise LedgerWriteError(
                f"{self._path}: cannot be used: {error.strerror}", hint="Check the disk; nothing was recorded."
            ) from error
        return self

    def is_open(self) -> bool:
        """Was what stands at the path now opened for writing, and found to be a ledger?"""
        file = self._file
        if file is None or file.forks != _forks or file.checked < 0:
            return False
        try:
            status = os.lstat(self._name)
        except OSError:
            return False
        return status.st_ino == file.inode and status.st_dev == file.device

    def _catch_up(self, file: _File, status: os.stat_result) -> None:
        """Fold in what others wrote, and see that it is a ledger."""
        self._reader.refresh(file.fd, status)
        if file.checked != self._reader.restarts:
            check_is_ledger(self._path, file.fd)
            file.checked = self._reader.restarts if self._reader.offset else -1
        if not self._reader.has_read(file.fd, status):
            # What a torn last line holds is read before anything is decided.
            _seal(file.fd)
            self._reader.refresh(file.fd)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.use(-1)
        if self._file is not None:
            release_lock(self._file.fd)
        self._reader.keep()

    def append(self, record: Record) -> None:
        """Write one record and fold it in; when this returns, the line stands in the file.

        Raises LedgerWriteError if any system call fails; what was written of the record is then
        taken back, unless that fails too.
        """
        assert self._file is not None
        fd, line, start = self._file.fd, encode(record), self._reader.offset
        try:
            end = self._write(fd, line, start)
            if end == start + len(line):
                self._reader.add_own(record, line)
            else:
                # Someone without the lock wrote in between: behind a torn line ours would be no line of its own.
                end = self._after_another(fd, line, end)
        except _StandsError as error:
            raise self._standing(error) from error
        except OSError as error:
            raise self._failure(error) from error
        if self.sync:
            self._written = Written(self, end - len(line), end)

    def _after_another(self, fd: int, line: bytes, end: int) -> int:
        """See that a record that follows another's line is a line of its own; where it ends."""
        try:
            if self._runs_into(fd, end - len(line)):
                end = self._write(fd, b"\n" + line, end)
            self._reader.refresh(fd)
        except OSError as error:
            if not isinstance(error, _StandsError) and not self._take_back(fd, end - len(line), end):
                raise _StandsError(error.errno, error.strerror) from error
            raise
        except LedgerReadError as error:
            if not self._take_back(fd, end - len(line), end):
                raise _StandsError(errno.EIO, str(error)) from error
            raise
        return end

    def _runs_into(self, fd: int, start: int) -> bool:
        """Does a line begin behind something that makes it unreadable?"""
        before = os.pread(fd, min(start, MAX_LINE_BYTES), max(0, start - MAX_LINE_BYTES))
        return bool(before[before.rfind(b"\n") + 1 :].strip(b" \t\r\0"))

    def written(self) -> Written | None:
        """What must still be brought to the disk, once: with `sync`, the last record is not acknowledged before."""
        written, self._written = self._written, None
        return written

    def _write(self, fd: int, data: bytes, start: int) -> int:
        """Write at the end; where that is then."""
        written = os.write(fd, data)
        try:
            if written != len(data):
                raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes were written")
            return os.lseek(fd, 0, os.SEEK_CUR)
        except OSError as error:
            if not self._take_back(fd, start, start + written) and written == len(data):
                raise _StandsError(error.errno, error.strerror) from error
            raise

    def _take_back(self, fd: int, start: int, end: int) -> bool:
        """Cut off what was written last; not if someone without the lock has added to it meanwhile."""
        with suppress(OSError):
            if os.fstat(fd).st_size == end:
                os.ftruncate(fd, start)
                return True
        return False

    def take_back(self, file: _File, start: int, end: int) -> bool:
        """Take back a record that did not reach the disk, if it is still the last of that file; was it?"""
        try:
            with self:
                if self._file is not file:
                    return False
                return self._take_back(self._file.fd, start, end)
        except (LedgerWriteError, LedgerRefusedError, LedgerReadError):
            return False

    def _failure(self, error: OSError) -> LedgerWriteError:
        return LedgerWriteError(
            f"{self._path}: the record was not written: {error.strerror}",
            hint="Free some space or mend the disk, then try again; the ledger itself is sound.",
        )

    def _standing(self, error: OSError) -> LedgerWriteError:
        return LedgerWriteError(
            f"{self._path}: the record stands in the ledger, but may not have reached the disk: {error.strerror}",
            hint="Mend the disk. Trying again with the same id counts the call once.",
        )

    def _open_locked(self) -> tuple[_File, os.stat_result]:
        """The file that stands at the path now, locked."""
        begin = time.monotonic()
        while True:
            file = self._file
            if file is None or file.forks != _forks:
                # A descriptor from before a fork shares its lock with the parent: it would exclude nobody.
                file = self._file = _File(_open_for_append(self._path, self.sync))
                check_is_local(self._path, file.device)
            try:
                take_lock(self._path, file.fd, begin + self.timeout)
            except BaseException:
                # Whoever waited may still get the lock, and gives it back: the next try must not share it.
                self._file = None
                raise
            try:
                status = os.lstat(self._name)
                if status.st_ino == file.inode and status.st_dev == file.device:
                    return file, status
            except FileNotFoundError:
                pass
            except BaseException:
                release_lock(file.fd)
                raise
            release_lock(file.fd)
            self._file = None


_files: weakref.WeakSet[_File] = weakref.WeakSet()
_forks = 0
"""How often this process is the child of a fork."""


def _count_fork() -> None:
    """A child keeps no lock of its parent's alive: it shares the open files, and closes its own ends."""
    global _forks
    _forks += 1
    for file in list(_files):
        file.close()


os.register_at_fork(after_in_child=_count_fork)


class _StandsError(OSError):
    """A call failed after the record was written, and it could not be taken back."""


class _File:
    """An open ledger, closed when nobody refers to it any more."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.forks = _forks
        self.checked = -1
        """The reader's count of restarts when this was last seen to hold a ledger line; -1: not yet."""
        self.close = weakref.finalize(self, os.close, fd)
        _files.add(self)
        status = os.fstat(fd)
        self.device, self.inode = status.st_dev, status.st_ino
        self._disk: Disk | None = None

    def disk(self, path: Path) -> Disk:
        """Its way to the disk."""
        if self._disk is None:
            self._disk = Disk(path, self.fd)
        return self._disk


class Written:
    """A record that stands in the file, and is not on the disk yet."""

    def __init__(self, writer: LedgerWriter, start: int, end: int) -> None:
        assert writer._file is not None
        self._writer = writer
        self._file = writer._file
        self.start = start
        self.end = end

    def bring_to_disk(self) -> OSError | None:
        """Return once it is on the disk; why it is not, if that fails. Unlocked: all who wait share a sync."""
        try:
            self._file.disk(self._writer._path).bring(self.end)
            if self.start == 0:
                sync_folder(self._writer._path.parent)
        except OSError as error:
            return error
        return None

    def take_back(self, error: OSError) -> LedgerWriteError:
        """Take it back if nothing was written after it; the error to raise."""
        taken_back = self._writer.take_back(self._file, self.start, self.end)
        return self._writer._failure(error) if taken_back else self._writer._standing(error)


def _seal(fd: int) -> None:
    """End a torn last line, left by a writer that died."""
    size = os.fstat(fd).st_size
    if size and os.pread(fd, 1, size - 1) != b"\n":
        os.write(fd, b"\n")


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
            sync_folder(place.parent)

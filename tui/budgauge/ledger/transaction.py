"""Writing the ledger: under a lock on the file itself, one write a record, with nothing acknowledged too early."""

from __future__ import annotations

import errno
import os
import time
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from budgauge.accounting.codec import encode
from budgauge.accounting.records import Record
from budgauge.errors import LedgerReadError, LedgerRefusedError, LedgerWriteError
from budgauge.ledger.foreign import check_is_ledger
from budgauge.ledger.lock import release_lock, take_lock
from budgauge.ledger.network import check_is_local, device_at
from budgauge.ledger.open import kind_of, open_ledger
from budgauge.ledger.sync import sync_file, sync_folder
from budgauge.ledger.tail import MAX_LINE_BYTES

if TYPE_CHECKING:
    from budgauge.ledger.ledger import Ledger


class Transaction:
    """The right to write a ledger. Entered, a transaction holds the lock, with others' lines folded in.

    Entering makes the file (0600) and its folder if they are missing. Raises LockTimeoutError if the lock is not
    had in time, LedgerRefusedError if another kind of file stands at the path, LedgerWriteError if it cannot be
    opened; on leaving, LedgerWriteError if what was written does not reach the disk though `sync` asks for that.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._path = ledger.path
        self._written: tuple[int, int] | None = None
        """Where the last record begins and ends, with those right before it."""

    def __enter__(self) -> Transaction:
        self._ledger.turn.acquire()
        try:
            self._enter()
        except BaseException:
            self._ledger.turn.release()
            raise
        return self

    def _enter(self) -> None:
        ledger = self._ledger
        try:
            file, status = self._open_locked()
            ledger.mutex.acquire()
            try:
                ledger.fd = file.fd
                if file.checked != ledger.restarts or not ledger.has_read(file.fd, status):
                    self._catch_up(file, status)
            except BaseException:
                ledger.fd = -1
                ledger.mutex.release()
                release_lock(file.fd)
                raise
        except OSError as error:
            raise LedgerWriteError(
                f"{self._path}: cannot be used: {error.strerror}", hint="Check the disk; nothing was recorded."
            ) from error

    def _catch_up(self, file: File, status: os.stat_result) -> None:
        """Fold in others' lines, and check the file's kind."""
        ledger = self._ledger
        ledger.refresh_from(file.fd, status)
        if file.checked != ledger.restarts:
            check_is_ledger(self._path, file.fd)
            file.checked = ledger.restarts if ledger.offset else -1
        if not ledger.has_read(file.fd, status):
            # What a torn last line holds is read before anything is decided.
            _seal(file.fd)
            ledger.refresh_from(file.fd)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ledger, file, written = self._ledger, self._ledger.file, self._written
        try:
            ledger.fd = -1
            if file is not None:
                release_lock(file.fd)
            ledger.keep()
        finally:
            ledger.mutex.release()
            ledger.turn.release()
        if kind is None and written is not None and file is not None:
            # Unlocked: others may write, and sync, meanwhile.
            self._bring_to_disk(file, *written)

    def append(self, record: Record) -> None:
        """Write one record and fold the record in; on return, the line stands in the file.

        Raises LedgerWriteError if any system call fails; what was written of the record is then
        taken back, unless that fails too.
        """
        ledger = self._ledger
        assert ledger.file is not None
        fd, line, start = ledger.file.fd, encode(record), ledger.offset
        try:
            end = self._write(fd, line, start)
            if end == start + len(line):
                ledger.add_own(record, line)
            else:
                # Someone without the lock wrote in between: behind a torn line ours would be no line of its own.
                end = self._after_another(fd, line, end)
        except _StandsError as error:
            raise self._standing(error) from error
        except OSError as error:
            raise self._failure(error) from error
        if ledger.sync:
            start, before = end - len(line), self._written
            self._written = before[0] if before and before[1] == start else start, end

    def _after_another(self, fd: int, line: bytes, end: int) -> int:
        """Make sure a record behind another's line is a line of its own; return the end."""
        try:
            if self._runs_into(fd, end - len(line)):
                end = self._write(fd, b"\n" + line, end)
            self._ledger.refresh_from(fd)
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
        """Return True if the bytes before a line make the line unreadable."""
        before = os.pread(fd, min(start, MAX_LINE_BYTES), max(0, start - MAX_LINE_BYTES))
        return bool(before[before.rfind(b"\n") + 1 :].strip(b" \t\r\0"))

    def _bring_to_disk(self, file: File, start: int, end: int) -> None:
        """Return with a record on the disk; after a failure, take the record back unless more was written since."""
        try:
            sync_file(file.fd)
            if start == 0:
                sync_folder(self._path.parent)
        except OSError as error:
            taken_back = self._take_back_later(file, start, end)
            raise (self._failure(error) if taken_back else self._standing(error)) from error

    def _write(self, fd: int, data: bytes, start: int) -> int:
        """Write at the end; return the new end."""
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
        """Cut off the last write, unless somebody without the lock has added to the file since."""
        with suppress(OSError):
            if os.fstat(fd).st_size == end:
                os.ftruncate(fd, start)
                return True
        return False

    def _take_back_later(self, file: File, start: int, end: int) -> bool:
        """Take back a record not on the disk, if still the last one of the file; return True if done."""
        try:
            with Transaction(self._ledger):
                return self._ledger.file is file and self._take_back(file.fd, start, end)
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

    def _open_locked(self) -> tuple[File, os.stat_result]:
        """Return the present file of the path, locked."""
        ledger, begin = self._ledger, time.monotonic()
        while True:
            file = ledger.file
            if file is None or file.forks != _forks:
                # A descriptor from before a fork shares its lock with the parent: it would exclude nobody.
                file = ledger.file = File(_open_for_append(self._path, ledger.sync))
                check_is_local(self._path, file.device)
            try:
                take_lock(self._path, file.fd, begin + ledger.lock_timeout)
            except BaseException:
                # Whoever waited may still get the lock, and gives it back: the next try must not share it.
                ledger.file = None
                raise
            try:
                status = os.lstat(self._path)
                if status.st_ino == file.inode and status.st_dev == file.device:
                    return file, status
            except FileNotFoundError:
                pass
            except BaseException:
                release_lock(file.fd)
                raise
            release_lock(file.fd)
            ledger.file = None


_files: weakref.WeakSet[File] = weakref.WeakSet()
_forks = 0
"""How often this process is the child of a fork."""


def _count_fork() -> None:
    """Close a forked child's ends of open files: they would keep the parent's locks alive."""
    global _forks
    _forks += 1
    for file in list(_files):
        file.close()


os.register_at_fork(after_in_child=_count_fork)


class _StandsError(OSError):
    """A call failed after the write, and the record could not be taken back."""


class File:
    """A ledger open for writing, closed with the last reference."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.forks = _forks
        self.checked = -1
        """The ledger's count of restarts when this was last seen to hold a ledger line; -1: not yet."""
        self.close = weakref.finalize(self, os.close, fd)
        _files.add(self)
        status = os.fstat(fd)
        self.device, self.inode = status.st_dev, status.st_ino

    def is_ledger_at(self, path: Path) -> bool:
        """Tell whether this is the file at a path, and was found to be a ledger."""
        if self.forks != _forks or self.checked < 0:
            return False
        try:
            status = os.lstat(path)
        except OSError:
            return False
        return status.st_ino == self.inode and status.st_dev == self.device


def check_writable(path: Path) -> None:
    """Raise LedgerError if nothing could be recorded in a ledger, as far as can be seen without writing."""
    try:
        fd = open_ledger(path, os.O_RDONLY)
    except FileNotFoundError:
        check_is_local(path, device_at(path.parent))
        return
    try:
        check_is_local(path, os.fstat(fd).st_dev)
        check_is_ledger(path, fd)
    finally:
        os.close(fd)
    if not os.access(path, os.W_OK):
        raise LedgerWriteError(f"{path}: cannot be written", hint="Check its permissions.")


def _seal(fd: int) -> None:
    """End a torn last line of a dead writer."""
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
    """Make a folder and the missing ones above; with `sync`, on the disk."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sync:
        for place in reversed(missing):
            sync_folder(place.parent)

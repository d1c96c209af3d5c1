"""Bringing records to the disk: one sync for all who wait for one.

Syncs of one file by many processes get in each other's way. So one of those who wait, whoever
gets a second lock, syncs for all, and notes how far; the others look at the note until their
record is covered. The note is no truth of its own: one that is missing, damaged, from before a
restart of the machine, or of a ledger that has changed since only costs a sync more.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
import weakref
from binascii import crc32
from contextlib import suppress
from pathlib import Path

import msgspec

from budgauge.files.runtime import name_of, private_folder

_BEFORE_BYTES = 64
_NOTE_BYTES = 256
_BOOT = Path("/proc/sys/kernel/random/boot_id")
NAP_SECONDS = 0.0003
"""Between two looks at the note; a sync takes about as long or longer."""

PATIENCE_SECONDS = 1.0
"""How long another is left to sync for all."""


class _Note(msgspec.Struct, array_like=True):
    """How far a ledger is known to be on the disk."""

    boot: str
    device: int
    inode: int
    offset: int
    before: bytes
    """What stands right before that offset."""


_decoder = msgspec.msgpack.Decoder(_Note)


class Disk:
    """The way to the disk for one open ledger."""

    def __init__(self, path: Path, fd: int) -> None:
        self._fd = fd
        status = os.fstat(fd)
        self._inode = status.st_dev, status.st_ino
        self._boot = _boot()
        self._note_fd = _open_note(path) if self._boot else None
        if self._note_fd is not None:
            weakref.finalize(self, os.close, self._note_fd)

    def bring(self, end: int) -> None:
        """Return once everything before `end` is on the disk. Raises OSError."""
        if self._note_fd is None:
            sync_file(self._fd)
            return
        patient_until = time.monotonic() + PATIENCE_SECONDS
        while self._noted() < end:
            if time.monotonic() > patient_until:
                # Whoever syncs for all may hang, or be stopped.
                sync_file(self._fd)
                return
            try:
                fcntl.flock(self._note_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(NAP_SECONDS)
                continue
            try:
                if self._noted() < end:
                    self._sync_for_all()
                return
            finally:
                fcntl.flock(self._note_fd, fcntl.LOCK_UN)

    def _sync_for_all(self) -> None:
        assert self._note_fd is not None
        offset = os.fstat(self._fd).st_size
        sync_file(self._fd)
        before = os.pread(self._fd, _BEFORE_BYTES, max(0, offset - _BEFORE_BYTES))
        data = msgspec.msgpack.encode(_Note(self._boot, *self._inode, offset, before))
        with suppress(OSError):
            os.pwrite(self._note_fd, (b"%08x" % crc32(data) + data).ljust(_NOTE_BYTES, b"\0"), 0)

    def _noted(self) -> int:
        """How far this very file was brought to the disk, as far as it still is what it was; else -1."""
        assert self._note_fd is not None
        data = os.pread(self._note_fd, _NOTE_BYTES, 0)
        try:
            note = _decoder.decode(data[8:].rstrip(b"\0"))
        except msgspec.MsgspecError:
            return -1
        if data[:8] != b"%08x" % crc32(data[8:].rstrip(b"\0")):
            return -1
        if (note.boot, note.device, note.inode) != (self._boot, *self._inode):
            return -1
        start = max(0, note.offset - _BEFORE_BYTES)
        return note.offset if os.pread(self._fd, note.offset - start, start) == note.before else -1


def _boot() -> str:
    """Differs after every start of the machine: a note from before one says nothing. Empty where nothing tells."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _open_note(path: Path) -> int | None:
    """The note's file, in a folder that is ours alone; None where there is none: then everyone syncs alone."""
    try:
        note = private_folder() / f"{name_of(path)}.synced"
        return os.open(note, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return None


def sync_file(fd: int) -> None:
    """Bring a file's content to the disk. Raises OSError."""
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync leaves it in the drive's cache
        with suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
            return
    getattr(os, "fdatasync", os.fsync)(fd)


def sync_folder(folder: Path) -> None:
    """Bring a folder's entries to the disk: a synced file is lost all the same if its name is. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some file systems have no such thing.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(fd)

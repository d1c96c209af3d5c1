"""A log file read in whole lines from where it stood, in bounded memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterator
from pathlib import Path

BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 16 << 20
"""Longer lines are skipped: no line that tells of usage comes near it."""


class Tail:
    """Reads what was appended since the last time. A last line without its newline is waited for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        """Bytes from the start of the file: where the first line not yet given out begins."""
        self.bytes_read = 0
        self.skipped_lines = 0
        """Lines longer than `MAX_LINE_BYTES`."""
        self._inode: tuple[int, int] | None = None
        self._seen_size = -1
        self._skipping = False

    def replaced(self, status: os.stat_result) -> bool:
        """Is this another file than the one read so far, or has it been cut short?"""
        inode = status.st_dev, status.st_ino
        return self._inode is not None and (inode != self._inode or status.st_size < self.offset)

    def unchanged(self, status: os.stat_result) -> bool:
        """Is there nothing that has not been looked at?"""
        return self._inode is not None and status.st_size == self._seen_size

    def blocks(self) -> Iterator[bytes]:
        """New whole lines in blocks of about a mebibyte, each ending in a newline. Raises OSError.

        A block counts as read once the next is asked for.
        """
        descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb", buffering=0) as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(f"{self.path} is not a regular file")
            self._inode = status.st_dev, status.st_ino
            file.seek(self.offset)
            held = b""
            while more := file.read(BLOCK_BYTES):
                self.bytes_read += len(more)
                held = yield from self._give(held + more if held else more)
            self._seen_size = self.offset + len(held)
            self.bytes_read -= len(held)

    def _give(self, data: bytes) -> Generator[bytes, None, bytes]:
        """Give out the whole lines of `data`; what is left of it is held for the next read."""
        if self._skipping:
            end = data.find(b"\n") + 1
            self.offset += end or len(data)
            if not end:
                return b""
            self._skipping = False
            data = data[end:]
        end = data.rfind(b"\n") + 1
        if end:
            yield data if end == len(data) else data[:end]
            self.offset += end
            data = data[end:]
        if len(data) > MAX_LINE_BYTES:
            self._skipping = True
            self.skipped_lines += 1
            self.offset += len(data)
            data = b""
        return data

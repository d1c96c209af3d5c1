"""A file that grows, read in whole lines from where the last reading ended, in bounded memory."""

import os
from collections.abc import Iterator

import msgspec

from budgauge.files.sparse import data_from

BLOCK_BYTES = 1 << 18
_BEFORE_BYTES = 64


class ReplacedError(Exception):
    """The file is not the one read before: another took the place, or it was cut short or rewritten."""


class Offset(msgspec.Struct):
    """A place in a file, and the bytes before, by which the file is recognised."""

    inode: int = 0
    """0: nothing was read yet."""
    offset: int = 0
    """Bytes from the start of the file to the first line that was not read."""
    before: bytes = b""
    """The last bytes before the offset."""

    @property
    def is_skipping(self) -> bool:
        """True within a line that is too long."""
        raise NotImplementedError

    def is_in(self, fd: int, status: os.stat_result) -> bool:
        """Return True if the open file, of this status, still holds everything that was read."""
        return (
            self.inode == status.st_ino
            and self.offset <= status.st_size
            and os.pread(fd, len(self.before), self.offset - len(self.before)) == self.before
        )

    def advance(self, data: bytes) -> None:
        """Go past bytes just read."""
        self.offset += len(data)
        self.before = (data if len(data) >= _BEFORE_BYTES else self.before + data)[-_BEFORE_BYTES:]

    def pass_hole(self, fd: int) -> None:
        """Go past a hole, which may be larger than any disk and reads as NULs."""
        end = data_from(fd, self.offset)
        if end - self.offset >= _BEFORE_BYTES:
            self.offset, self.before = end, bytes(_BEFORE_BYTES)

    def skip(self, part: bytes) -> None:
        """Go past a part of a line that is too long. The last part ends in a newline."""
        raise NotImplementedError


def new_lines(fd: int, at: Offset, longest: int) -> Iterator[bytes]:
    """Yield new whole lines in blocks, and empty bytes for each part of a line longer than `longest`.

    `at` is advanced before each yield. A last line without its newline is left for the next time.
    """
    size = BLOCK_BYTES
    while block := os.pread(fd, size, at.offset):
        if at.is_skipping:
            newline = block.find(b"\n")
            at.skip(block[: newline + 1] if newline >= 0 else block)
            if newline < 0:
                at.pass_hole(fd)
            yield b""
            continue
        end = block.rfind(b"\n") + 1
        if end:
            at.advance(lines := block[:end])
            yield lines
        elif len(block) > longest:
            at.skip(block)
            yield b""
        elif len(block) == size:
            # Room for a longer line. The block is read again.
            size *= 2
            continue
        if len(block) < size:
            return

"""Reading a growing file: only new, whole lines, and a notice of another file in the same place."""

import os
from collections.abc import Iterator

import msgspec

from budgauge.accounting.records import Batch, Fault, decode, join
from budgauge.files.sparse import data_from

BLOCK_BYTES = 1 << 18
MAX_LINE_BYTES = 1 << 16
"""A longer line is no record; it is skipped in bounded memory."""
_HEAD_BYTES = 256
_BEFORE_BYTES = 64


class Mark(msgspec.Struct, frozen=True):
    """A place in a file, with the bytes to recognise the file by."""

    inode: int
    offset: int
    head: bytes
    before: bytes
    overlong_from: int | None


class Tail:
    """A growing file's reader: the place reached, and the bytes to recognise the file by.

    The same file is: same device and inode, no shorter, the same first bytes, and the same
    bytes before the place reached.
    """

    def __init__(self) -> None:
        self.offset = 0
        """Bytes consumed: whole lines only, or what is skipped of an overlong one."""
        self._identity: tuple[int, int] | None = None
        self._head = b""
        self._before = b""
        self._overlong_from: int | None = None

    @classmethod
    def at(cls, mark: Mark, status: os.stat_result) -> "Tail":
        """Return a tail at a mark, for the open file with this status."""
        tail = cls()
        tail.offset, tail._head, tail._before, tail._overlong_from = msgspec.structs.astuple(mark)[1:]
        tail._identity = (status.st_dev, mark.inode)
        return tail

    @property
    def is_new(self) -> bool:
        """Has nothing been read yet?"""
        return self._identity is None

    @property
    def mark(self) -> Mark:
        """The place reached, to go on from later."""
        inode = self._identity[1] if self._identity else 0
        return Mark(inode, self.offset, self._head, self._before, self._overlong_from)

    def resumes(self, fd: int, status: os.stat_result | None = None) -> bool:
        """Return True for the same open file as before. Otherwise the tail starts again at the first byte."""
        status = status or os.fstat(fd)
        identity = (status.st_dev, status.st_ino)
        known = self._identity
        same = (
            identity == known
            and status.st_size >= self.offset
            and os.pread(fd, len(self._before), self.offset - len(self._before)) == self._before
            and os.pread(fd, len(self._head), 0) == self._head
        )
        if not same:
            self.__init__()  # type: ignore[misc]  # a new start is exactly a new tail
            self._identity = identity
        return same or known is None

    def stands_in(self, fd: int, status: os.stat_result) -> bool:
        """Return True if an open file of this status still holds the bytes read last."""
        return (status.st_dev, status.st_ino) == self._identity and (
            os.pread(fd, len(self._before), self.offset - len(self._before)) == self._before
        )

    def has_read(self, size: int) -> bool:
        """Return True if a file of this size has been read whole, up to the last byte."""
        return self.offset == size and self._overlong_from is None

    def skip(self, data: bytes) -> None:
        """Pass over known bytes right behind the part already read."""
        if len(self._head) < _HEAD_BYTES:
            self._head = (self._head + data)[:_HEAD_BYTES]
        self.offset += len(data)
        self._before = (data if len(data) >= _BEFORE_BYTES else self._before + data)[-_BEFORE_BYTES:]

    def read(self, fd: int) -> Iterator[Batch]:
        """Yield batches of new whole lines. An unterminated last line waits for an end."""
        while True:
            block = os.pread(fd, BLOCK_BYTES, self.offset)
            end = block.rfind(b"\n") + 1
            if end:
                yield self._consume(block if end == len(block) else block[:end])
            elif len(block) > MAX_LINE_BYTES:
                self._overlong_from = self.offset if self._overlong_from is None else self._overlong_from
                self.skip(block)
                self._pass_hole(fd)
            if len(block) < BLOCK_BYTES:
                return

    def _pass_hole(self, fd: int) -> None:
        end = data_from(fd, self.offset)
        if end - self.offset >= _BEFORE_BYTES:
            self.offset, self._before = end, bytes(_BEFORE_BYTES)

    def _consume(self, data: bytes) -> Batch:
        start = self.offset
        self.skip(data)
        if self._overlong_from is not None:
            cut = data.index(b"\n") + 1
            fault = Fault(self._overlong_from, start + cut - self._overlong_from, _OVERLONG)
            self._overlong_from = None
            return join([Batch([], [fault]), _decode(data[cut:], start + cut)])
        return _decode(data, start)


_OVERLONG = f"longer than {MAX_LINE_BYTES} bytes"


def _decode(data: bytes, offset: int) -> Batch:
    """Decode whole lines, without the overlong ones."""
    position = 0
    while position < len(data):
        newline = data.rfind(b"\n", position, position + MAX_LINE_BYTES + 1)
        if newline < 0:
            return _decode_around_overlong(data, offset)
        position = newline + 1
    return decode(data, offset)


def _decode_around_overlong(data: bytes, offset: int) -> Batch:
    parts = []
    for line in (part + b"\n" for part in data.split(b"\n")[:-1]):
        overlong = len(line) > MAX_LINE_BYTES + 1
        parts.append(Batch([], [Fault(offset, len(line), _OVERLONG)]) if overlong else decode(line, offset))
        offset += len(line)
    return join(parts)

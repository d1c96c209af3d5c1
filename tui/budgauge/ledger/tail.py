"""Reading a file that grows: only new, whole lines, and a notice when it is another file than before."""

from __future__ import annotations

import os
from collections.abc import Iterator

from budgauge.records import Batch, Fault, decode

BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 1 << 16
"""A longer line is no record; it is skipped in bounded memory."""
_HEAD_BYTES = 256
_BEFORE_BYTES = 64


class Tail:
    """Where a file has been read to, and how to tell that it is still the same file.

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

    def resumes(self, fd: int) -> bool:
        """Is the open file the one read so far? If not, the tail starts again at its first byte."""
        status = os.fstat(fd)
        identity = (status.st_dev, status.st_ino)
        known = self._identity
        same = (
            identity == known
            and status.st_size >= self.offset
            and os.pread(fd, len(self._head), 0) == self._head
            and os.pread(fd, len(self._before), self.offset - len(self._before)) == self._before
        )
        if not same:
            self.__init__()  # type: ignore[misc]  # a new start is exactly a new tail
            self._identity = identity
        return same or known is None

    def read(self, fd: int) -> Iterator[Batch]:
        """Batches of what whole lines are new. An unterminated last line waits for its end."""
        while (new := os.fstat(fd).st_size - self.offset) > 0:
            block = os.pread(fd, min(new, BLOCK_BYTES), self.offset)
            end = block.rfind(b"\n") + 1
            if end:
                yield self._consume(block[:end])
                self._mark(fd)
            elif len(block) > MAX_LINE_BYTES:
                self._overlong_from = self.offset if self._overlong_from is None else self._overlong_from
                self.offset += len(block)
                self._mark(fd)
            if len(block) < BLOCK_BYTES:
                return

    def _consume(self, data: bytes) -> Batch:
        start = self.offset
        self.offset += len(data)
        if self._overlong_from is not None:
            cut = data.index(b"\n") + 1
            fault = Fault(self._overlong_from, start + cut - self._overlong_from, _OVERLONG)
            self._overlong_from = None
            batch = _decode(data[cut:], start + cut)
            batch.faults.insert(0, fault)
            return batch
        return _decode(data, start)

    def _mark(self, fd: int) -> None:
        if len(self._head) < _HEAD_BYTES:
            self._head = os.pread(fd, min(_HEAD_BYTES, self.offset), 0)
        length = min(_BEFORE_BYTES, self.offset)
        self._before = os.pread(fd, length, self.offset - length)


_OVERLONG = f"longer than {MAX_LINE_BYTES} bytes"


def _decode(data: bytes, offset: int) -> Batch:
    """Decode whole lines, those that are too long set aside."""
    position = 0
    while position < len(data):
        newline = data.rfind(b"\n", position, position + MAX_LINE_BYTES + 1)
        if newline < 0:
            return _decode_around_overlong(data, offset)
        position = newline + 1
    return decode(data, offset)


def _decode_around_overlong(data: bytes, offset: int) -> Batch:
    whole = Batch(records=[], faults=[])
    for line in (part + b"\n" for part in data.split(b"\n")[:-1]):
        if len(line) > MAX_LINE_BYTES + 1:
            whole.faults.append(Fault(offset, len(line), _OVERLONG))
        else:
            batch = decode(line, offset)
            whole.records += batch.records
            whole.faults += batch.faults
            whole.blank += batch.blank
        offset += len(line)
    return whole

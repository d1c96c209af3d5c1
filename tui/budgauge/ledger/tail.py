"""A ledger, read in whole lines from where the last reading ended."""

import os
from collections.abc import Iterator

from budgauge.accounting.codec import decode, join
from budgauge.accounting.records import Batch, Fault, Record
from budgauge.files.tail import Offset, new_lines

_USUAL_LINE_BYTES = 1024
MAX_LINE_BYTES = 1 << 16
"""A longer line is no record; it is skipped in bounded memory."""
_HEAD_BYTES = 256
_OVERLONG = f"longer than {MAX_LINE_BYTES} bytes"


class LedgerOffset(Offset):
    """How far a ledger was read."""

    head: bytes = b""
    """The first bytes of the file."""
    overlong_from: int | None = None
    """The beginning of the overlong line that is being skipped."""

    @property
    def is_skipping(self) -> bool:
        """True within a line longer than `MAX_LINE_BYTES`."""
        return self.overlong_from is not None

    def is_in(self, fd: int, status: os.stat_result) -> bool:
        """Return True if the open file, of this status, still begins and goes on as it was read."""
        return super().is_in(fd, status) and os.pread(fd, len(self.head), 0) == self.head

    def advance(self, data: bytes) -> None:
        """Go past bytes just read, or written by this process."""
        if len(self.head) < _HEAD_BYTES:
            self.head = (self.head + data[:_HEAD_BYTES])[:_HEAD_BYTES]
        super().advance(data)

    def skip(self, part: bytes) -> None:
        """Go past a part of an overlong line."""
        begin = self.offset if self.overlong_from is None else self.overlong_from
        self.advance(part)
        self.overlong_from = None if part.endswith(b"\n") else begin

    def has_read(self, fd: int, status: os.stat_result) -> bool:
        """Return True if the open file was read to the last byte, with no torn line at the end."""
        # Asked under the lock, at every record: the last bytes are enough.
        return self.offset == status.st_size and not self.is_skipping and super().is_in(fd, status)


def read_batches(fd: int, at: LedgerOffset) -> Iterator[Batch]:
    """Yield batches of new whole lines. `at` is advanced before each. An unterminated last line waits for its end."""
    begin = at.overlong_from
    for lines in new_lines(fd, at, MAX_LINE_BYTES):
        if lines:
            yield _decode(lines, at.offset - len(lines))
        elif begin is not None and not at.is_skipping:
            yield Batch([], [Fault(begin, at.offset - begin, _OVERLONG)])
        begin = at.overlong_from


def _decode(data: bytes, offset: int) -> Batch:
    """Decode whole lines. Overlong ones become faults."""
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


def record_at(fd: int, place: int) -> Record | None:
    """Return the record whose line begins at an offset of an open file. Raises OSError."""
    line = os.pread(fd, _USUAL_LINE_BYTES, place)
    if b"\n" not in line:
        line = os.pread(fd, MAX_LINE_BYTES + 1, place)
    records = decode(line[: line.find(b"\n") + 1]).records
    return records[0] if records else None

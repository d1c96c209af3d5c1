"""A log file read in whole lines from where it stood, in bounded memory."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from budgauge.files.sparse import data_from
from budgauge.sources.block import BLOCK_BYTES, MAX_LINE_BYTES, Block, open_log
from budgauge.sources.long_line import holds_no_usage

_BEFORE_BYTES = 64
_USAGE = (b'"usage"', b'"token_count"', b'"token_usage_record"')
"""Without one of these a line tells of no usage; a picture in a prompt makes a line long."""
COMPRESSED = ".zst"


class Position(msgspec.Struct, array_like=True):
    """How far a file was read, and what is to be found there if it is still that file."""

    inode: int = 0
    offset: int = 0
    """Bytes from the start of the file: where the first line not yet given out begins."""
    before: bytes = b""
    size: int = -1
    """Of the file when it was last read to its end."""
    skipping: bool = False
    """Is this within a line that is too long?"""
    skipped_lines: int = 0
    """Lines longer than `MAX_LINE_BYTES` that tell of usage."""
    is_counted: bool = False
    """Is the line that is being skipped among these?"""
    is_harmless: bool = False
    """Is that line known to be of a kind that tells of none, whatever stands within it?"""


class Tail:
    """Reads what was appended since the last time. A last line without its newline is waited for."""

    def __init__(self, position: Position | None = None) -> None:
        self.position = position or Position()
        self.bytes_read = 0
        """In whole lines, since it was made."""

    def blocks(self, path: Path) -> Iterator[Block]:
        """New whole lines in blocks, of a line that is skipped empty ones.

        Once the next is asked for, a block counts as read, and holds that one.

        Raises ReplacedError if this is another file than the one read so far, or has been cut short, and OSError.
        """
        descriptor = open_log(path)
        try:
            status = os.fstat(descriptor)
            self._check_same(descriptor, status)
            self.position.inode = status.st_ino
            yield from self._blocks(descriptor)
        finally:
            os.close(descriptor)

    def compressed_blocks(self, path: Path) -> Iterator[Block]:
        """All lines of a compressed file, which never grows; one that has changed was replaced. Raises as `blocks`."""
        # Loaded here: few have such logs.
        from budgauge.sources.compressed import unpacked

        if self.position.inode:
            raise ReplacedError
        status = os.stat(path)
        for data, end in unpacked(path):
            yield data, end
            self.bytes_read += end
        self.position.inode, self.position.size = status.st_ino, status.st_size

    def lines(self, path: Path) -> Iterator[Block]:
        """New whole lines in blocks, however the file is packed. Raises as `blocks`."""
        return self.compressed_blocks(path) if path.name.endswith(COMPRESSED) else self.blocks(path)

    def _check_same(self, descriptor: int, status: os.stat_result) -> None:
        at = self.position
        if at.inode and (
            at.inode != status.st_ino
            or status.st_size < at.offset
            or os.pread(descriptor, len(at.before), at.offset - len(at.before)) != at.before
        ):
            raise ReplacedError

    def _blocks(self, descriptor: int) -> Iterator[Block]:
        at, buffer = self.position, bytearray(BLOCK_BYTES)
        while size := os.preadv(descriptor, [buffer], at.offset):
            seen = at.offset + size
            end = buffer.rfind(b"\n", 0, size) + 1
            if at.skipping:
                newline = buffer.find(b"\n", 0, size)
                at.skipping = newline < 0
                self._skip(buffer, size if at.skipping else newline + 1)
                if at.skipping:
                    self._pass_hole(descriptor)
                # Nothing to read, but a moment at which to stop.
                yield buffer, 0
                continue
            if end:
                yield buffer, end
                self._consume(buffer, end)
                self.bytes_read += end
            elif size > MAX_LINE_BYTES:
                at.skipping, at.is_counted, at.before = True, False, b""
                at.is_harmless = holds_no_usage(buffer[:size])
                self._skip(buffer, size)
            elif size == len(buffer):
                # Room for a longer line; what was read is read again.
                buffer = bytearray(2 * len(buffer))
                continue
            if size < len(buffer):
                # What follows the last whole line may be the beginning of one.
                at.size = seen
                return
        at.size = at.offset

    def _pass_hole(self, descriptor: int) -> None:
        at = self.position
        end = data_from(descriptor, at.offset)
        if end - at.offset >= _BEFORE_BYTES:
            at.offset, at.before = end, bytes(_BEFORE_BYTES)

    def _skip(self, data: bytearray, end: int) -> None:
        at = self.position
        if not at.is_counted and not at.is_harmless:
            # A mark may lie across two blocks.
            seam = at.before + data[: min(end, _BEFORE_BYTES)]
            at.is_counted = any(mark in seam or data.find(mark, 0, end) >= 0 for mark in _USAGE)
            at.skipped_lines += at.is_counted
        self._consume(data, end)

    def _consume(self, data: bytearray, end: int) -> None:
        at = self.position
        at.offset += end
        at.before = bytes(data[max(0, end - _BEFORE_BYTES) : end])


class ReplacedError(Exception):
    """What was read of a file is no longer in it."""

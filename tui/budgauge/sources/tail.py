"""An agent's log, read in whole lines from where the last reading ended."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from budgauge.files.tail import Offset, ReplacedError, new_lines
from budgauge.sources.long_line import holds_no_usage

MAX_LINE_BYTES = 16 << 20
"""Longer lines are skipped: no line of usage comes near."""
HEAD_BYTES = (1 << 16, 1 << 22)
COMPRESSED = ".zst"
_SEAM_BYTES = 64
_USAGE = (b'"usage"', b'"token_count"', b'"token_usage_record"')
"""Every line of usage holds one of these. Pictures in prompts make lines long."""


class LogOffset(Offset, array_like=True):
    """How far a log was read."""

    size: int = -1
    """Bytes in the file when it was last read to its end."""
    is_skipping: bool = False
    """True within a line longer than `MAX_LINE_BYTES`."""
    skipped_lines: int = 0
    """Skipped lines of usage."""
    is_counted: bool = False
    """Is the line that is being skipped among these?"""
    is_harmless: bool = False
    """Is the line that is being skipped of a kind without usage, whatever stands within?"""

    def skip(self, part: bytes) -> None:
        """Go past a part of such a line, and see whether it is a line of usage."""
        if not self.is_skipping:
            self.is_counted, self.before = False, b""
            self.is_harmless = holds_no_usage(part)
        if not self.is_counted and not self.is_harmless:
            # A mark may lie across two parts.
            seam = self.before + part[:_SEAM_BYTES]
            self.is_counted = any(mark in seam or mark in part for mark in _USAGE)
            self.skipped_lines += self.is_counted
        self.advance(part)
        self.is_skipping = not part.endswith(b"\n")


def log_lines(path: Path, at: LogOffset) -> Iterator[bytes]:
    """Yield a log's new whole lines in blocks, and empty bytes for each part of a line that is too long.

    A compressed log never grows: one that has changed was replaced. Raises ReplacedError, OSError.
    """
    if path.name.endswith(COMPRESSED):
        # Loaded here: few have such logs.
        from budgauge.sources.compressed import unpacked

        status = os.stat(path)
        if at.inode:
            raise ReplacedError
        yield from unpacked(path)
        at.inode = status.st_ino
    else:
        descriptor = open_log(path)
        try:
            status = os.fstat(descriptor)
            if at.inode and not at.is_in(descriptor, status):
                raise ReplacedError
            at.inode = status.st_ino
            yield from new_lines(descriptor, at, MAX_LINE_BYTES)
        finally:
            os.close(descriptor)
    at.size = status.st_size


def heads(path: Path) -> Iterator[bytes]:
    """Yield the beginning of a log, then a longer one: its first line may be long. Raises OSError."""
    descriptor = open_log(path)
    try:
        for size in HEAD_BYTES:
            yield (head := os.pread(descriptor, size, 0))
            if len(head) < size:
                return
    finally:
        os.close(descriptor)


def open_log(path: Path) -> int:
    """Open a regular file for reading and return its descriptor. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return descriptor

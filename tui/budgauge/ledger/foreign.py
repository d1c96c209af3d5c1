"""The check that a file is a ledger: files of other kinds are never written to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from budgauge.accounting.codec import decode
from budgauge.errors import LedgerRefusedError
from budgauge.files.sparse import data_from
from budgauge.ledger.tail import MAX_LINE_BYTES


def check_is_ledger(path: Path, fd: int) -> None:
    """Raise LedgerRefusedError for a file with content, but no readable ledger line in the first 64 KiB.

    Blank lines and NULs before that are nothing. Nor are lines foreign that begin like our own
    and break off: a writer died in the very first one. Both are written after; the torn line is
    sealed first.
    """
    head = _head(fd)
    if not head or _readable(head) or all(map(_is_torn, filter(None, _lines(head)))):
        return
    raise LedgerRefusedError(
        f"{path}: holds no ledger line in its first 64 KiB; budgauge does not write into files of another kind",
        hint="Name another ledger, or move this file away.",
    )


_BLANK = b" \t\r\n\0"


def _head(fd: int) -> bytes:
    """Return the first 64 KiB from the first byte on that is not blank; empty without one."""
    block = os.pread(fd, MAX_LINE_BYTES, 0)
    end, held = len(block), block.removeprefix(b"\xef\xbb\xbf").lstrip(_BLANK)
    while block and not held:
        end = data_from(fd, end)
        block = os.pread(fd, MAX_LINE_BYTES, end)
        end, held = end + len(block), block.lstrip(_BLANK)
    return held if len(held) == len(block) else os.pread(fd, MAX_LINE_BYTES, end - len(held))


def _lines(head: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(head):
        end = head.find(b"\n", start)
        end = len(head) if end < 0 else end
        yield head[start:end].strip(_BLANK)
        start = end + 1


def _readable(head: bytes) -> bool:
    # Line by line, and no further than the first that is readable: this is asked at every record.
    return any(decode(line + b"\n").records for line in _lines(head))


_OWN_STARTS = (
    b'{"agent_id":',
    *(b'{"type":"%s"' % kind for kind in (b"settle", b"reset", b"undo_reset", b"reserve", b"release")),
)
_LEAST_START = len(b'{"type":')


def _is_torn(line: bytes) -> bool:
    """Return True for a torn line: the beginning of one of our own lines."""
    if len(line) < _LEAST_START or line.endswith(b"}"):
        return False
    return any(line[: len(start)] == start[: len(line)] for start in _OWN_STARTS)

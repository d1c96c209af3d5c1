"""How logs are read: in blocks of whole lines, from regular files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Union

BLOCK_BYTES = 1 << 18
MAX_LINE_BYTES = 16 << 20
"""Longer lines are skipped: no line that tells of usage comes near it."""

Block = tuple[Union[bytes, bytearray], int]
"""Bytes, and where among them the last whole line ends."""


def open_log(path: Path) -> int:
    """A descriptor of a regular file, opened for reading. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return descriptor

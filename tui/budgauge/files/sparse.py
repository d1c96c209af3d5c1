"""Holes in files: they read as NULs, may be larger than any disk, and need not be read."""

from __future__ import annotations

import errno
import os


def data_from(descriptor: int, offset: int) -> int:
    """Return the first data's place from an offset on: the file's end if none, the offset where nobody can tell."""
    size = os.fstat(descriptor).st_size
    try:
        return max(offset, os.lseek(descriptor, offset, os.SEEK_DATA))
    except AttributeError:
        return offset
    except OSError as error:
        # What is written meanwhile stands behind the size that was asked for first.
        return max(offset, size) if error.errno == errno.ENXIO else offset

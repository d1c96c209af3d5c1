"""Holes in files: they read as NULs, may be larger than any disk, and need not be read."""

from __future__ import annotations

import errno
import os


def data_from(descriptor: int, offset: int) -> int:
    """Return the place of the first data at or behind an offset; the file's end if there is none.

    Where the system cannot tell, it is the offset itself.
    """
    size = os.fstat(descriptor).st_size
    try:
        return max(offset, os.lseek(descriptor, offset, os.SEEK_DATA))
    except AttributeError:
        return offset
    except OSError as error:
        # What is written meanwhile stands behind the size that was asked for first.
        return max(offset, size) if error.errno == errno.ENXIO else offset

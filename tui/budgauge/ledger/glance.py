"""A probe of a ledger's size, for a fraction of the cost of a refresh."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from budgauge.errors import LedgerReadError
from budgauge.ledger.open import open_ledger


class Glance:
    """The ledger's size, through one descriptor: a look-up by path costs as much as a wake-up."""

    def __init__(self) -> None:
        self._fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self.size: Callable[[], int] = partial(os.lseek, self._fd, 0, os.SEEK_END)
        """Bytes of the file; 0 while there is none. No function of our own: asked so rarely, those are never warm."""

    def at(self, path: Path) -> None:
        """Point the probe at the present file of a path."""
        own = os.fstat(self._fd)
        with suppress(OSError, ValueError):
            status = os.stat(path, follow_symlinks=False)
            if (status.st_dev, status.st_ino) == (own.st_dev, own.st_ino):
                return
        fd = _opened(path)
        os.dup2(fd, self._fd, inheritable=False)
        os.close(fd)

    def __del__(self) -> None:
        os.close(self._fd)


def _opened(path: Path) -> int:
    with suppress(FileNotFoundError, LedgerReadError):
        return open_ledger(path, os.O_RDONLY)
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

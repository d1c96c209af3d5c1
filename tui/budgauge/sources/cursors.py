"""Cursors, kept between runs: how far agents' logs are imported into a ledger.

Cursors can be lost at any time: the ledger alone says which calls are imported, and the next import
only takes longer. They hold only beside the very ledger for which they were made: in another one, or
an older copy, the same calls may be missing.
"""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from budgauge.errors import LedgerReadError
from budgauge.files.cache import CacheFile, short_name
from budgauge.ledger.ledger import Ledger
from budgauge.ledger.open import still_holds
from budgauge.ledger.tail import LedgerOffset
from budgauge.sources.log import Cursor

VERSION = 2
"""Raised where a version reads more in the same logs: they are read again."""
Cursors = dict[str, dict[str, Cursor]]
"""source → key of a log → cursor."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    version: int
    mark: LedgerOffset
    """The place in the ledger before which all imported calls stand."""
    only_below: str | None
    """The project whose sessions alone were imported; None for all."""
    cursors: Cursors


_decoder = msgspec.msgpack.Decoder(_Kept)


class CursorFile:
    """The cursors of one ledger."""

    def __init__(
        self, folder: Path, ledger: Ledger, only_below: Path | None = None, *, purpose: str = "", writes: bool = True
    ) -> None:
        """`purpose` tells several files of one ledger apart. Without `writes` they are only read."""
        self._writes = writes
        name = f"{os.path.abspath(ledger.path)} {purpose}".rstrip()
        path = folder / f"{'hook' if purpose else 'logs'}-{short_name(name)}.pos"
        self._file = CacheFile(path, _decoder, VERSION)
        self._ledger = ledger
        self._only_below = None if only_below is None else str(only_below)
        self._cursors: Cursors = {}
        self._mark: LedgerOffset | None = None
        """Of the cursors that were read."""

    def read(self) -> Cursors:
        """Return the cursors that still hold; none if nothing is known. Raises LedgerReadError."""
        kept = self._file.read()
        fits = kept is not None and kept.only_below == self._only_below
        if kept is not None and fits and still_holds(self._ledger.path, kept.mark):
            self._cursors, self._mark = kept.cursors, kept.mark
        return self._cursors

    def write(self, cursors: Cursors) -> None:
        """Keep cursors whose calls are all imported. Other sources' cursors stay."""
        if not self._writes:
            return
        with suppress(LedgerReadError):
            # Earlier imports stand in the ledger, even if nothing came this time.
            self._ledger.refresh()
            if self._ledger.restarts or (self._mark and not still_holds(self._ledger.path, self._mark)):
                # Another file took the ledger's place meanwhile, and may lack these calls.
                return
            self._cursors = {**self._cursors, **cursors}
            self._file.write(_Kept(VERSION, self._ledger.mark, self._only_below, self._cursors))

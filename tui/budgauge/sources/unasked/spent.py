"""Recent usage of sessions, by quarter of an hour, as the collector imports the calls."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from budgauge.accounting.records import Usage
from budgauge.errors import LedgerReadError
from budgauge.files.cache import CacheFile, short_name
from budgauge.ledger.tail import LedgerOffset
from budgauge.sources.origin import Origin
from budgauge.sources.unasked.asked import has_asked

if TYPE_CHECKING:
    from budgauge.ledger.ledger import Ledger

QUARTER_SECONDS = 900
"""Every time zone's midnight begins a quarter of an hour."""
_KEPT_SECONDS = 26 * 3600
"""The longest day, and some more."""


class Spent(msgspec.Struct, array_like=True):
    """Usage of a session, sub-agents included."""

    source: str
    agent_id: str
    origin: Origin
    quarters: dict[int, tuple[int, int]] = {}
    """quarter of an hour, counted from 1970 → tokens, and cached tokens among them"""

    def since(self, moment: float) -> tuple[int, int]:
        """Tokens from a moment (unix seconds) on, and cached tokens among them."""
        late = [sums for quarter, sums in self.quarters.items() if quarter * QUARTER_SECONDS >= moment]
        return sum(tokens for tokens, _ in late), sum(cached for _, cached in late)


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    mark: LedgerOffset
    """Of the ledger that it was brought into."""
    sessions: list[Spent]


_decoder = msgspec.msgpack.Decoder(_Kept)


def read_spent(cache: Path, ledger: Path) -> list[Spent]:
    """Return the sessions kept of a ledger."""
    kept = _file(cache, ledger).read()
    return kept.sessions if kept else []


def _file(cache: Path, ledger: Path) -> CacheFile[_Kept]:
    return CacheFile(cache / f"sessions-{short_name(os.path.realpath(ledger))}.spent", _decoder)


class SpentFile:
    """Keeps the recent usage of sessions without a call to the gate. Used by one thread at a time."""

    def __init__(self, cache: Path, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        """`ledger` is the one into which calls are imported."""
        self._cache, self._ledger, self._clock = cache, ledger, clock
        self._file = _file(cache, ledger.path)
        self._sessions: dict[tuple[str, str], Spent] = {}
        self._origins: dict[Path, Origin] = {}
        self._asked: set[str] = set()
        self._new: list[Usage] = []
        self._restarts = 0
        self._changed = False

    def read(self) -> None:
        """Go on from the kept usage, if the ledger is still the same. Raises LedgerReadError."""
        # Loaded here: most readers of the kept usage import nothing.
        from budgauge.ledger.open import still_holds

        kept = self._file.read()
        self._restarts = self._ledger.restarts
        self._sessions = {}
        if kept is not None and still_holds(self._ledger.path, kept.mark):
            self._sessions = {(one.source, one.origin.session): one for one in kept.sessions}

    def count(self, new: Sequence[Usage]) -> None:
        """Take records just written. `add` gives them to a session."""
        oldest = self._clock() - _KEPT_SECONDS
        self._new += (record for record in new if record.timestamp >= oldest)

    def add(self, path: Path, find_origin: Callable[[], Origin | None]) -> None:
        """Add the records taken to the session of the log at `path`."""
        new, self._new = self._new, []
        if self._ledger.restarts != self._restarts:
            # Another ledger took its place: calls are imported once more.
            self._restarts, self._sessions, self._changed = self._ledger.restarts, {}, True
        if not new:
            return
        origin = self._origins.get(path) or find_origin()
        if origin is None:
            return
        self._origins[path] = origin
        if not self._has_asked(origin.session):
            self._add(origin, new)

    def _add(self, origin: Origin, new: Iterable[Usage]) -> None:
        for record in new:
            source = record.source or ""
            key = source, origin.session
            if key not in self._sessions:
                self._sessions[key] = Spent(source, record.agent_id.partition("/")[0], origin)
            quarters = self._sessions[key].quarters
            quarter = int(record.timestamp // QUARTER_SECONDS)
            tokens, cached = quarters.get(quarter, (0, 0))
            quarters[quarter] = tokens + record.total_tokens, cached + (record.cached_tokens or 0)
            self._changed = True

    def _has_asked(self, session: str) -> bool:
        if session not in self._asked and has_asked(self._cache, session):
            self._asked.add(session)
        return session in self._asked

    def write(self) -> None:
        """Keep the usage, without old quarters and without sessions that called the gate by now."""
        if not self._changed:
            return
        oldest = (self._clock() - _KEPT_SECONDS) / QUARTER_SECONDS
        for key, one in list(self._sessions.items()):
            one.quarters = {quarter: sums for quarter, sums in one.quarters.items() if quarter >= oldest}
            if not one.quarters or self._has_asked(one.origin.session):
                del self._sessions[key]
        with suppress(LedgerReadError):
            self._ledger.refresh()
            if self._ledger.restarts != self._restarts:
                return
            kept = _Kept(self._ledger.mark, list(self._sessions.values()))
            self._changed = not self._file.write(kept)

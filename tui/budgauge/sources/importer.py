"""Calls from agents' logs into the ledger, each once: they were spent, so no budget is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from budgauge.accounting.records import Usage, check_record
from budgauge.errors import RecordError
from budgauge.ledger.booked import Booked
from budgauge.ledger.pages import Entry, entry

if TYPE_CHECKING:
    from budgauge.ledger.append import LedgerWriter

Outcome = Literal["recorded", "grown", "known", "replayed", "set aside"]
"""What became of a call: new; booked before with less, of which the rest was added; booked before;
booked before for another session, which this one repeats; not fit to be written."""
_AT_ONCE = 100
"""Calls recorded under one lock: few enough that nobody waits long for it."""


Count = Callable[[Sequence[Usage]], None]


def uncounted(_new: Sequence[Usage]) -> None:
    """Ignore new records."""


class Booking:
    """Books calls by their ids. Used by one thread at a time; any number of processes may book the same calls."""

    def __init__(
        self,
        ledger: Path,
        *,
        sync: bool = False,
        cache: Path | None = None,
        count: Count = uncounted,
        timeout: float | None = None,
    ) -> None:
        """With `sync`, what was booked is on the disk before `book` returns. `cache` is as for Booked.

        `timeout` is how many seconds the lock is waited for, if not the usual time.
        `count` is told of each record that was written.
        """
        self.booked = Booked(ledger, cache)
        self._sync = sync
        self._timeout = timeout
        self._writer: LedgerWriter | None = None
        self._count = count

    def book(self, calls: Sequence[Usage]) -> list[Outcome]:
        """Bring calls, which all have an id and a source, into the ledger; what became of each, in their order.

        Raises what LedgerWriter raises; what was not booked then is booked when it is tried again.
        """
        outcomes: list[Outcome] = []
        if self._writer is None:
            self._writer = _writer(self.booked, self._sync, self._timeout)
        for begin in range(0, len(calls), _AT_ONCE):
            new: list[Usage] = []
            with self._writer as ledger:
                outcomes += [self._book(ledger, call, new) for call in calls[begin : begin + _AT_ONCE]]
            written = ledger.written()
            error = written.bring_to_disk() if written else None
            if written and error:
                raise written.take_back(error) from error
            self._count(new)
        return outcomes

    def holds(self, id: str) -> bool:
        """Is a call of this id booked, as far as is known? Raises LedgerReadError."""
        if not self.booked.exists:
            self.booked.refresh()
        return self.booked.find(id) is not None

    def _book(self, ledger: LedgerWriter, call: Usage, new: list[Usage]) -> Outcome:
        assert call.id is not None
        found = entry(call, self.booked.find)
        try:
            for line in found.lines:
                check_record(line)
        except RecordError:
            return "set aside"
        for line in found.lines:
            ledger.append(line)
            new.append(line)
        return outcome_of(call, found)


def outcome_of(call: Usage, found: Entry) -> Outcome:
    """Name the outcome of a call."""
    if found.spends or not found.booked:
        return "grown" if found.booked else "recorded"
    return "known" if found.booked[0].session == call.session else "replayed"


def _writer(booked: Booked, sync: bool, timeout: float | None) -> LedgerWriter:
    # Loaded here: most runs find nothing new.
    from budgauge.ledger.append import LOCK_TIMEOUT_SECONDS, LedgerWriter

    return LedgerWriter(booked, sync=sync, timeout=LOCK_TIMEOUT_SECONDS if timeout is None else timeout)

"""Import of calls from agents' logs into the ledger, each once and without a check: they were spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from budgauge.accounting.record_checks import check_record
from budgauge.accounting.records import Usage
from budgauge.errors import RecordError
from budgauge.ledger.ledger import Ledger
from budgauge.ledger.pages import Entry, entry

if TYPE_CHECKING:
    from budgauge.ledger.transaction import Transaction

Outcome = Literal["recorded", "grown", "known", "replayed", "skipped"]
"""The outcome of a call: new; known with less, of which the rest was added; known;
known from another session, which this one repeats; not fit to be written."""
_AT_ONCE = 100
"""Calls recorded under one lock: few enough for a short wait of others."""


Count = Callable[[Sequence[Usage]], None]


class Importer:
    """Imports calls by their ids. Used by one thread at a time; any number of processes may import the same calls."""

    def __init__(self, ledger: Ledger, *, count: Count = lambda _new: None) -> None:
        """`ledger` keeps all ids. `count` gets each record that was written."""
        self.ledger = ledger
        self._count = count

    def add(self, calls: Sequence[Usage]) -> list[Outcome]:
        """Import calls, which all have an id and a source, and return each one's outcome, in their order.

        Raises as Transaction. Calls that were not imported then are imported by another try.
        """
        outcomes: list[Outcome] = []
        for begin in range(0, len(calls), _AT_ONCE):
            new: list[Usage] = []
            with self.ledger.locked() as transaction:
                outcomes += [self._add(transaction, call, new) for call in calls[begin : begin + _AT_ONCE]]
            self._count(new)
        return outcomes

    def holds(self, id: str) -> bool:
        """Return True if a call of this id is known to be imported. Raises LedgerReadError."""
        if not self.ledger.exists:
            self.ledger.refresh()
        return self.ledger.find(id) is not None

    def _add(self, transaction: Transaction, call: Usage, new: list[Usage]) -> Outcome:
        assert call.id is not None
        found = entry(call, self.ledger.find)
        try:
            for line in found.lines:
                check_record(line)
        except RecordError:
            return "skipped"
        for line in found.lines:
            transaction.append(line)
            new.append(line)
        return outcome_of(call, found)


def outcome_of(call: Usage, found: Entry) -> Outcome:
    """Name the outcome of a call."""
    if found.spends or not found.booked:
        return "grown" if found.booked else "recorded"
    return "known" if found.booked[0].session == call.session else "replayed"

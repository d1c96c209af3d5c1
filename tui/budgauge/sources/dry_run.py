"""A dry run of a collection, without writing."""

from __future__ import annotations

from collections.abc import Sequence

from budgauge.accounting.records import Usage
from budgauge.ledger.ledger import Ledger
from budgauge.ledger.pages import entry
from budgauge.sources.importer import Count, Outcome, outcome_of


class DryRun:
    """Takes calls like an importer, and gives the new ones to `count` alone."""

    def __init__(self, ledger: Ledger, count: Count) -> None:
        """`ledger` has been read, and keeps all ids."""
        self._ledger = ledger
        self._count = count
        self._new: dict[str, Usage] = {}
        """id or alias → the record that would be written."""

    def add(self, calls: Sequence[Usage]) -> list[Outcome]:
        """Return each call's outcome."""
        new: list[Usage] = []
        outcomes = [self._add(call, new) for call in calls]
        self._count(new)
        return outcomes

    def holds(self, id: str) -> bool:
        """Return True if a call of this id would be imported by now."""
        return self._find(id) is not None

    def _add(self, call: Usage, new: list[Usage]) -> Outcome:
        found = entry(call, self._find)
        for line in found.lines:
            self._new.update((name, line) for name in (line.id, line.alias) if name is not None)
        new += found.lines
        return outcome_of(call, found)

    def _find(self, name: str) -> Usage | None:
        return self._ledger.find(name) or self._new.get(name)

"""A dry run: what would be booked, without writing anything."""

from __future__ import annotations

from collections.abc import Sequence

from budgauge.ledger.booked import Booked
from budgauge.ledger.booking import Count, Outcome, more_than
from budgauge.records import Usage


class Trial:
    """Takes calls as a Booking does; what is new of them goes to `count` alone."""

    def __init__(self, booked: Booked, count: Count) -> None:
        """`booked` has been read."""
        self._booked = booked
        self._count = count
        self._parts: dict[str, list[Usage]] = {}

    def book(self, calls: Sequence[Usage]) -> list[Outcome]:
        """What would become of each."""
        new: list[Usage] = []
        outcomes = [self._book(call, new) for call in calls]
        self._count(new)
        return outcomes

    def _book(self, call: Usage, new: list[Usage]) -> Outcome:
        assert call.id is not None
        parts = self._parts.get(call.id)
        if parts is None:
            parts = self._parts[call.id] = self._booked.parts(call.id)
        rest = more_than(call, parts) if parts else call
        if rest is None:
            return "known" if parts[0].session == call.session else "replayed"
        parts.append(rest)
        new.append(rest)
        return "grown" if len(parts) > 1 else "recorded"

"""When a limit's threshold or end is crossed: told once, and again only after it was below. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from budgauge.accounting.limits import Severity, percentage
from budgauge.status.snapshot import Snapshot
from budgauge.text import percent_of

Scope = Literal["total", "agent", "family"]
_HEIGHT: dict[Severity, int] = {"ok": 0, "warning": 1, "exceeded": 2}


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold or an end that was crossed upwards."""

    scope: Scope
    name: str
    """The agent's id or the family's key, as it is in the ledger; empty for the total."""
    state: Severity
    """What stands now: `warning` or `exceeded`."""
    used: int
    limit: int
    percentage: float
    message: str
    """One line, as in the ledger: not yet safe to show."""


class Crossings:
    """Compares each snapshot with the one before it.

    What stands in the first one of a ledger was crossed before anybody looked, and is not told.
    A reset, a larger limit or an undo that brings it below arms it again; one that brings it
    above is told as any other way there: who hears of it need not be who did it.
    """

    def __init__(self) -> None:
        self._ledger: str | None = None
        self._before: dict[tuple[Scope, str], int] = {}

    def of(self, snapshot: Snapshot) -> tuple[Crossing, ...]:
        """What was crossed since the snapshot before, the total first; a jump past both tells the end alone."""
        standing = {(crossing.scope, crossing.name): crossing for crossing in _standing(snapshot)}
        before, ledger = self._before, self._ledger
        self._before = {subject: _HEIGHT[crossing.state] for subject, crossing in standing.items()}
        self._ledger = snapshot.ledger
        if ledger != snapshot.ledger:
            return ()
        return tuple(
            crossing for subject, crossing in standing.items() if _HEIGHT[crossing.state] > before.get(subject, 0)
        )


def _standing(snapshot: Snapshot) -> Iterator[Crossing]:
    """Everything that stands at or over its threshold, though used."""
    if snapshot.state != "ok" and snapshot.total_used:
        yield _crossing("total", "", snapshot.state, snapshot.total_used, snapshot.total_budget)
    for row in snapshot.limited:
        if row.state != "ok" and row.used and row.limit is not None:
            yield _crossing("agent", row.agent_id, row.state, row.limited, row.limit)
    for family in snapshot.families:
        if family.state != "ok" and family.used and family.limit is not None:
            yield _crossing("family", family.family, family.state, family.used, family.limit)


def _crossing(scope: Scope, name: str, state: Severity, used: int, limit: int) -> Crossing:
    share = percentage(used, limit) or 0.0
    what = "Token budget" if scope == "total" else f"{scope.capitalize()} {name}"
    # The total's warning is the one that everybody knows, to the letter; the others are like it.
    part = percent_of(share, limit).replace(",", "")
    message = f"{what} {state}: " + (f"{part} used ({used} / {limit})" if part else f"{used} used, none is allowed")
    return Crossing(scope=scope, name=name, state=state, used=used, limit=limit, percentage=share, message=message)

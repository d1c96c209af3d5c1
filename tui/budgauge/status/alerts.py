"""Alerts at a limit's threshold and end: each once, and again only after use was below. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from budgauge.accounting.limits import Severity, percentage
from budgauge.status.snapshot import Snapshot
from budgauge.text import percent_of

Scope = Literal["total", "agent", "family"]
_HEIGHT: dict[Severity, int] = {"ok": 0, "warning": 1, "exceeded": 2}


class ThresholdAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A threshold or an end of a limit, reached since the last snapshot."""

    scope: Scope
    name: str
    """The agent's id or the family's key, as in the ledger; empty for the total."""
    state: Severity
    """The present state: `warning` or `exceeded`."""
    used: int
    limit: int
    percentage: float
    message: str
    """One line with names as in the ledger: not yet safe to show."""


class ThresholdAlerts:
    """A comparison of each snapshot with the one before.

    A ledger's first snapshot gives no alerts: its limits were reached before anybody watched. A reset,
    a larger limit or an undo can bring use below, which arms the alert again; one that brings use
    above gives an alert like any other.
    """

    def __init__(self) -> None:
        self._ledger: str | None = None
        self._before: dict[tuple[Scope, str], int] = {}

    def of(self, snapshot: Snapshot) -> tuple[ThresholdAlert, ...]:
        """Return the alerts since the snapshot before, the total's first; a jump past both gives the end's alone."""
        standing = {(alert.scope, alert.name): alert for alert in _standing(snapshot)}
        before, ledger = self._before, self._ledger
        self._before = {subject: _HEIGHT[alert.state] for subject, alert in standing.items()}
        self._ledger = snapshot.ledger
        if ledger != snapshot.ledger:
            return ()
        return tuple(alert for subject, alert in standing.items() if _HEIGHT[alert.state] > before.get(subject, 0))


def _standing(snapshot: Snapshot) -> Iterator[ThresholdAlert]:
    """Yield everything used and at or over a threshold."""
    if snapshot.state != "ok" and snapshot.total_used:
        yield _alert("total", "", snapshot.state, snapshot.total_used, snapshot.total_budget)
    for row in (*snapshot.limited, *snapshot.families):
        if row.state != "ok" and row.used and row.limit is not None:
            yield _alert("family" if row.is_family else "agent", row.key, row.state, row.limited, row.limit)


def _alert(scope: Scope, name: str, state: Severity, used: int, limit: int) -> ThresholdAlert:
    share = percentage(used, limit) or 0.0
    what = "Token budget" if scope == "total" else f"{scope.capitalize()} {name}"
    # The total's warning is the tracker's warning, to the letter; the others have the same form.
    part = percent_of(share, limit).replace(",", "")
    message = f"{what} {state}: " + (f"{part} used ({used} / {limit})" if part else f"{used} used, none is allowed")
    return ThresholdAlert(
        scope=scope, name=name, state=state, used=used, limit=limit, percentage=share, message=message
    )

"""What a ledger says to a tracker, and to someone who reads it afresh: the two must always agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from budgauge.accounting.counters import Groups
from budgauge.accounting.fold import Totals
from budgauge.config import BudgetConfig
from budgauge.ledger.ledger import Ledger
from budgauge.tracker.tracker import TokenBudgetTracker


class Fold(msgspec.Struct, frozen=True):
    """Everything that totals say and that rules are decided by."""

    whole: dict[float, Groups]
    present: Groups
    spent: dict[str, tuple[int, int]]
    spent_by_all: tuple[int, int]
    holds: list[str]
    resets: list[tuple[str, str | None]]
    set_aside: dict[str, int]
    flagged: dict[str, int]

    @classmethod
    def of(cls, totals: Totals, now: float) -> Fold:
        counters = totals.at(now)
        return cls(
            totals.whole_cycles(),
            dict(counters.groups),
            dict(counters.spent),
            counters.spent_by_all,
            sorted(totals.holds),
            [(reset.id, reset.agent_id) for reset in totals.resets],
            dict(totals.seen.set_aside),
            dict(totals.sums.flagged),
        )


def fresh_reader(ledger: Path, **options: Any) -> Ledger:
    """A reader that has read all there is, by default without a checkpoint."""
    reader = Ledger(ledger, **options)
    reader.refresh()
    return reader


def fresh_fold(ledger: Path, now: float = 0, **options: Any) -> Fold:
    """What the ledger says from its first byte on."""
    return Fold.of(fresh_reader(ledger, **options).totals, now)


def tracker_fold(tracker: TokenBudgetTracker, now: float = 0) -> Fold:
    """What a tracker knows, once it has read what is new."""
    tracker.get_total_used()
    return Fold.of(tracker._authority.totals, now)


def assert_as_fresh(tracker: TokenBudgetTracker, ledger: Path, now: float = 0) -> None:
    """The tracker knows what the file says, no more and no less."""
    config: BudgetConfig = tracker.config
    assert tracker_fold(tracker, now) == fresh_fold(ledger, now, cycle=config.cycle)

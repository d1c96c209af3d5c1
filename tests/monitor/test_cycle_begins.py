"""A cycle's first moment: the ledger is full, and nothing was used since the cycle began."""

from __future__ import annotations

from budgauge.accounting.billing_cycle import Calendar
from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Reset, Usage
from budgauge.config import BudgetConfig, Cycle
from budgauge.monitor.screens.dashboard import _vacancy, is_new
from budgauge.pricing.price_book import PriceBook
from budgauge.status.snapshot import Snapshot, take_snapshot
from budgauge.views.live import View
from monitor.stage import NOW

DAILY = BudgetConfig(total_budget=1000, cycle=Cycle(period="daily"))


def snapshot(*, reset: bool) -> Snapshot:
    """One call yesterday, and a look at the first second of today."""
    prices = PriceBook({})
    totals = Totals(prices.pricing_of, Calendar(Cycle(period="daily")).span)
    totals.add([Usage("a", "m", 10, 0, 10, NOW - 60)])
    if reset:
        totals.add([Reset(NOW - 30, "r1")])
    return take_snapshot(totals, DAILY, prices, now=NOW)


def test_a_full_ledger_is_not_new() -> None:
    assert not is_new(View(snapshot=snapshot(reset=False), config=DAILY))


def test_it_says_that_the_cycle_began_and_offers_no_undo() -> None:
    text = _vacancy(snapshot(reset=True))
    assert text.startswith("A cycle began 20")
    assert "It ends 20" in text
    assert "undo" not in text

"""With a cycle, the present one's budget decides: a caller's timestamp must not choose another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from budgauge import BudgetConfig, BudgetExceededError, RecordError, TokenBudgetTracker
from budgauge.accounting.record_checks import make_usage
from budgauge.config import Cycle
from budgauge.ledger.transaction import Transaction
from clock import Clock
from usage import Make

DAY = 86_400
DAILY = BudgetConfig(total_budget=100, cycle=Cycle(period="daily"))


@pytest.mark.parametrize("days", [-30, -1, 1, 365])
def test_a_call_dated_in_another_cycle_must_be_spent(make: Make, clock: Clock, days: int) -> None:
    tracker, elsewhere = make(DAILY), clock.now + days * DAY
    with pytest.raises(RecordError, match=r"timestamp .* is in another cycle than now") as refused:
        tracker.report_usage("a", "m", 1, 0, timestamp=elsewhere)
    assert "spent=True" in str(refused.value.hint)
    with pytest.raises(RecordError):
        tracker.report(make_usage("a", "m", 1, 0, timestamp=elsewhere))
    assert not tracker.get_status().models
    assert tracker.report_usage("a", "m", 500, 0, timestamp=elsewhere, spent=True)
    assert tracker.get_total_used() == 0
    clock.now = elsewhere
    assert tracker.get_total_used() == 500


def test_within_the_present_cycle_it_may_have_any_moment(make: Make, clock: Clock) -> None:
    tracker = make(DAILY)
    clock.now += DAY / 2
    tracker.report_usage("a", "m", 60, 0, timestamp=clock.now - DAY / 2)
    tracker.report_usage("a", "m", 40, 0, timestamp=clock.now + DAY / 2 - 1)
    with pytest.raises(BudgetExceededError, match=r"\(current: 100, requested: 1\)"):
        tracker.report_usage("a", "m", 1, 0, timestamp=clock.now - DAY / 2)


def test_without_a_cycle_every_moment_is_as_good(make: Make, clock: Clock) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    tracker.report_usage("a", "m", 60, 0, timestamp=5)
    with pytest.raises(BudgetExceededError):
        tracker.report_usage("a", "m", 60, 0, timestamp=clock.now + 9 * DAY)


def test_a_known_call_is_known_in_a_later_cycle(make: Make, clock: Clock) -> None:
    tracker, begin = make(DAILY), clock.now
    assert tracker.report_usage("a", "m", 1, 0, id="x", timestamp=begin)
    clock.now += DAY
    assert not tracker.report_usage("a", "m", 1, 0, id="x", timestamp=begin)


def when_locked(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen once the tracker has the lock."""
    enter = Transaction.__enter__

    def late(transaction: Transaction) -> Transaction:
        act()
        return enter(transaction)

    monkeypatch.setattr(Transaction, "__enter__", late)


def test_a_call_that_waits_for_the_lock_until_the_next_cycle_counts_there(
    ledger: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = TokenBudgetTracker(DAILY, ledger=ledger, now=clock)

    def pass_midnight() -> None:
        clock.now = 1_767_312_000

    clock.now = 1_767_311_999
    when_locked(monkeypatch, pass_midnight)
    assert tracker.report_usage("a", "m", 7, 0)
    assert tracker.get_total_used() == 7


@pytest.mark.parametrize("days", [-30, -1, 1])
def test_a_reservation_cannot_be_settled_into_another_cycle(make: Make, clock: Clock, days: int) -> None:
    tracker = make(DAILY)
    hold = tracker.reserve("a", 60)
    with pytest.raises(RecordError, match=r"timestamp .* is in another cycle"):
        hold.settle("m", 60, 0, timestamp=clock.now + days * DAY)
    assert tracker.get_status().reserved == 60
    assert hold.settle("m", 60, 0, timestamp=clock.now + 1)
    assert tracker.get_total_used() == 60


def test_a_call_that_was_reserved_before_a_boundary_may_be_dated_before_it(make: Make, clock: Clock) -> None:
    tracker = make(DAILY)
    clock.now += DAY - 5
    early, late = tracker.reserve("a", 60), tracker.reserve("a", 40)
    clock.now += 10
    assert early.settle("m", 60, 0, timestamp=clock.now - 6)
    assert late.settle("m", 40, 0)
    assert tracker.get_total_used() == 40
    assert early.settle("m", 60, 0, timestamp=clock.now - 6) is False

"""Clocks that are wrong: without a cycle, no moment in a line or on a clock changes a total."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.codec import encode
from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Record, Reset, UndoReset
from budgauge.config import BudgetConfig, Cycle
from budgauge.errors import BudgetExceededError
from budgauge.tracker.tracker import TokenBudgetTracker
from clock import Clock
from faults.folded import fresh_reader
from usage import usage

DAY = 86_400


def spent(records: list[Record]) -> tuple[dict[str, tuple[int, int]], tuple[int, int], str | None]:
    totals = Totals()
    totals.add(records)
    return totals.at(0).spent, totals.at(0).spent_by_all, totals.reset_id


moments = st.integers(0, 253_402_300_799) | st.floats(0, 2e9)
calls = st.builds(usage, st.sampled_from("abc"), st.integers(0, 99), id=st.none() | st.sampled_from("123"))
resets = st.builds(Reset, st.just(1), st.sampled_from(["r1", "r2"]), st.none() | st.sampled_from("abc"))
undos = st.builds(UndoReset, st.just(1), st.sampled_from(["r1", "r2"]))


def at(record: Record, moment: float) -> Record:
    """The same line at another time."""
    values = {name: getattr(record, name) for name in record.__struct_fields__}
    return type(record)(**{**values, "timestamp": moment})


@given(st.lists(st.tuples(calls | resets | undos, moments), max_size=20), st.randoms(use_true_random=False))
def test_no_permutation_of_timestamps_changes_a_total(lines: list[tuple[Record, float]], chance: random.Random) -> None:
    shuffled = [moment for _, moment in lines]
    chance.shuffle(shuffled)
    records = [at(record, moment) for record, moment in lines]
    reversed_ = [
        at(record, moment)
        for (record, _), moment in zip(lines, sorted((moment for _, moment in lines), reverse=True), strict=True)
    ]
    permuted = [at(record, moment) for (record, _), moment in zip(lines, shuffled, strict=True)]
    assert spent(records) == spent(permuted) == spent(reversed_)


def test_a_clock_that_jumps_a_day_back_and_forth_changes_no_total(
    ledger: Path, clock: Clock, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    jumps, chance = sized(200, 5000), random.Random(3)
    config = BudgetConfig(total_budget=jumps * 5, per_agent_limits={"a": jumps})
    still, jumping = (Clock(clock.now) for _ in range(2))
    trackers = [TokenBudgetTracker(config, ledger=ledger, now=now) for now in (still, jumping)]
    expected = 0
    for number in range(jumps):
        jumping.now += chance.choice([-DAY, DAY])
        tracker = trackers[number % 2]
        if number % 50 == 49:
            tracker.reset("a")
            expected -= tracker.get_agent_usage("a")
        tracker.report_usage("b", "m", 3, 1)
        expected += 4
        assert [tracker.get_total_used() for tracker in trackers] == [expected, expected]
        assert [tracker.get_remaining_budget() for tracker in trackers] == [config.total_budget - expected] * 2
    assert fresh_reader(ledger).totals.at(0).spent_by_all == (expected, 0)
    figure(f"clock: {jumps:,} jumps of a day back and forth, totals unchanged, two clocks agree every time")


@pytest.mark.parametrize("ahead", [-DAY, -1, 1, DAY, 365 * DAY])
def test_trackers_whose_clocks_differ_agree(ledger: Path, clock: Clock, ahead: int) -> None:
    """On totals, refusals, resets and what an undo brings back."""
    other = Clock(clock.now + ahead)
    one, two = (TokenBudgetTracker(BudgetConfig(total_budget=100), ledger=ledger, now=now) for now in (clock, other))
    one.report_usage("a", "m", 60, 0)
    two.report_usage("b", "m", 40, 0)
    for tracker in (one, two):
        with pytest.raises(BudgetExceededError):
            tracker.report_usage("a", "m", 1, 0)
    reset = two.reset()
    assert one.get_total_used() == two.get_total_used() == 0
    one.report_usage("a", "m", 5, 0)
    assert one.undo_reset() == reset
    assert one.get_all_agent_totals() == two.get_all_agent_totals() == {"a": 65, "b": 40}


@pytest.mark.parametrize("cycle", [None, Cycle(period="daily"), Cycle(period="monthly", day=31)])
def test_reversed_timestamps_are_all_counted(ledger: Path, clock: Clock, cycle: Cycle | None) -> None:
    """A cycle divides them by their moments; what they add up to is the same."""
    lines = [usage("a", 1, 0, timestamp=clock.now - number * DAY, id=str(number)) for number in range(100)]
    ledger.write_bytes(b"".join(map(encode, lines)))
    tracker = TokenBudgetTracker(BudgetConfig(cycle=cycle), ledger=ledger, now=clock)
    whole = fresh_reader(ledger, cycle=cycle).totals.whole_cycles()
    assert sum(sums.total for groups in whole.values() for sums in groups.values()) == 100
    if cycle is None:
        assert tracker.get_total_used() == 100
    elif cycle.period == "daily":
        assert tracker.get_total_used() == 1


def test_a_clock_that_was_put_back_brings_a_hold_back_and_never_loses_what_was_settled(
    ledger: Path, clock: Clock
) -> None:
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=100), ledger=ledger, now=clock)
    tracker.reserve("a", 60, 600, id="h")
    clock.now += 600
    assert tracker.check("b", 100) is None
    clock.now -= DAY
    assert tracker.check("b", 41) is not None
    assert tracker.settle("h", "m", 70, 0)
    clock.now += 2 * DAY
    assert (tracker.get_total_used(), tracker.check("b", 30)) == (70, None)
    assert "h" not in tracker._authority.totals.holds

"""Reservations: tokens held before a call, and what becomes of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from budgauge import (
    AgentLimitExceededError,
    BudgetConfig,
    BudgetExceededError,
    DuplicateIdError,
    LedgerError,
    RecordError,
    ReservationError,
    TokenBudgetTracker,
)
from budgauge.accounting.codec import decode, encode
from budgauge.accounting.records import Release, Reserve, Settle
from clock import Clock
from usage import Make


def test_what_is_held_is_not_used_and_not_free(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    hold = tracker.reserve("a", 60)
    status = tracker.get_status()
    assert (status.total_used, status.reserved, status.remaining_budget) == (0, 60, 100)
    assert [(row.agent_id, row.used, row.reserved) for row in status.agents] == [("a", 0, 60)]
    with pytest.raises(BudgetExceededError, match=r"\(current: 60, requested: 41\)"):
        tracker.report_usage("b", "m", 41, 0)
    tracker.report_usage("b", "m", 40, 0)
    hold.release()
    assert tracker.get_status().reserved == 0


def test_holds_count_for_limits_of_agents_and_families(make: Make) -> None:
    tracker = make(BudgetConfig(per_agent_limits={"f/a": 50, "f/*": 80}))
    tracker.reserve("f/a", 50)
    with pytest.raises(AgentLimitExceededError, match=r"Agent f/a would exceed limit of 50 tokens \(current: 50"):
        tracker.reserve("f/a", 1)
    with pytest.raises(AgentLimitExceededError, match=r"Agent f/\* would exceed limit of 80 tokens \(current: 50"):
        tracker.reserve("f/b", 31)
    tracker.reserve("f/b", 30)


def test_settling_records_what_was_spent_even_if_it_is_more(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    with tracker.reserve("a", 60) as hold:
        assert hold.settle("m", 500, 50, id="x") is True
    assert (tracker.get_agent_usage("a"), tracker.get_status().reserved) == (550, 0)


def test_a_block_that_is_left_releases(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    with tracker.reserve("a", 60):
        pass
    with pytest.raises(KeyError), tracker.reserve("a", 60):
        raise KeyError
    assert tracker.get_status().reserved == 0


def test_it_expires_by_itself_and_is_never_a_charge(make: Make, clock: Clock) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    hold = tracker.reserve("a", 60, ttl=10)
    assert (hold.id, hold.agent_id, hold.tokens, hold.expires) == (hold.id, "a", 60, clock.now + 10)
    clock.now += 9.9
    assert tracker.get_status().reserved == 60
    clock.now += 0.1
    assert tracker.get_status().reserved == 0
    tracker.report_usage("b", "m", 100, 0)
    assert hold.settle("m", 7, 0) is True
    assert tracker.get_total_used() == 107


def test_it_outlives_a_reset_and_settles_after_it(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    hold = tracker.reserve("a", 60)
    tracker.report_usage("a", "m", 5, 0)
    tracker.reset()
    assert tracker.get_status().reserved == 60
    hold.settle("m", 8, 0)
    assert tracker.get_total_used() == 8


@pytest.mark.parametrize("first", ["settle", "release"])
def test_a_second_end_is_refused(make: Make, first: str) -> None:
    tracker = make(BudgetConfig())
    hold = tracker.reserve("a", 60)
    if first == "settle":
        hold.settle("m", 1, 1)
    else:
        hold.release()
    how = "settled" if first == "settle" else "released"
    with pytest.raises(ReservationError, match=f"was {how} already"):
        hold.settle("m", 2, 2)
    with pytest.raises(ReservationError, match=f"was {how} already"):
        hold.release()
    assert tracker.get_total_used() == (2 if first == "settle" else 0)


def test_retries_are_safe(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    assert tracker.reserve("a", 60, id="h").id == tracker.reserve("a", 60, id="h").id == "h"
    assert tracker.get_status().reserved == 60
    with pytest.raises(DuplicateIdError):
        tracker.reserve("a", 61, id="h")
    assert tracker.settle("h", "m", 5, 0) is True
    assert tracker.settle("h", "m", 5, 0) is False
    assert tracker.get_total_used() == 5


def test_a_settle_with_the_id_of_another_call_is_refused(make: Make) -> None:
    tracker = make(BudgetConfig())
    tracker.report_usage("a", "m", 1, 0, id="x")
    hold = tracker.reserve("a", 5)
    with pytest.raises(DuplicateIdError):
        hold.settle("m", 2, 0, id="x")
    assert tracker.get_status().reserved == 5


def test_what_was_never_reserved_cannot_be_ended(make: Make) -> None:
    tracker = make(BudgetConfig())
    with pytest.raises(ReservationError, match="there is no reservation 'x'"):
        tracker.release("x")
    with pytest.raises(ReservationError, match="there is no reservation 'x'"):
        tracker.settle("x", "m", 1, 1)
    assert tracker.settle("x", "m", 1, 1, agent_id="a") is True
    assert tracker.get_agent_usage("a") == 2


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), float("inf"), True, "1"])
def test_a_wrong_time_to_live_is_refused(make: Make, ttl: float) -> None:
    with pytest.raises(RecordError, match="ttl must be"):
        make(BudgetConfig()).reserve("a", 1, ttl)


@pytest.mark.parametrize("ttl", [1e-9, 0.0004])
def test_a_time_so_short_that_nothing_would_be_held_is_refused(make: Make, clock: Clock, ttl: float) -> None:
    tracker = make(BudgetConfig())
    with pytest.raises(RecordError, match="ttl must be a thousandth of a second at least"):
        tracker.reserve("a", 1, ttl=ttl)
    for fraction in (0, 0.0004, 0.0005, 0.0009996):
        clock.now = 1_767_225_600 + fraction
        assert tracker.reserve("a", 1, ttl=0.001).expires > clock.now


def test_what_is_written(ledger: Path, clock: Clock) -> None:
    tracker = TokenBudgetTracker(ledger=ledger, now=clock)
    tracker.reserve("a", 9, 60, id="h").settle("m", 3, 4)
    tracker.reserve("a", 9, 0.5, id="i").release()
    now = int(clock.now)
    assert decode(ledger.read_bytes()).records == [
        Reserve(now, "h", "a", 9, now + 60),
        Settle("a", "m", 3, 4, 7, now, reserve="h"),
        Reserve(now, "i", "a", 9, now + 0.5),
        Release(now, "i"),
    ]


def test_another_process_sees_the_hold_and_can_end_it(ledger: Path) -> None:
    one, two = (TokenBudgetTracker(BudgetConfig(total_budget=10), ledger=ledger) for _ in range(2))
    hold = one.reserve("a", 8)
    with pytest.raises(BudgetExceededError, match=r"\(current: 8, requested: 3\)"):
        two.report_usage("b", "m", 3, 0)
    two.settle(hold.id, "m", 1, 1)
    with pytest.raises(ReservationError):
        hold.release()
    assert one.get_all_agent_totals() == {"a": 2}


def test_a_settle_that_cannot_be_written_is_told_and_the_hold_stays(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = TokenBudgetTracker(ledger=ledger)

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    hold = tracker.reserve("a", 5)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        with pytest.raises(LedgerError, match="No space left"), hold:
            hold.settle("m", 1, 1)
    assert tracker.get_status().reserved == 5
    assert hold.settle("m", 1, 1) is True


def test_an_id_that_was_settled_cannot_be_held_any_more(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    tracker.settle("h", "m", 1, 0, agent_id="a")
    with pytest.raises(ReservationError, match="was settled already"):
        tracker.reserve("a", 50, id="h")
    assert tracker.get_status().reserved == 0


def test_a_reservation_whose_line_comes_after_its_end_holds_nothing(ledger: Path, clock: Clock) -> None:
    now = int(clock.now)
    lines = [Settle("a", "m", 1, 0, 1, now, reserve="h"), Reserve(now, "h", "a", 50, now + 60)]
    ledger.write_bytes(b"".join(map(encode, lines)))
    status = TokenBudgetTracker(ledger=ledger, now=clock).get_status()
    assert (status.total_used, status.reserved) == (1, 0)


def test_asked_for_again_when_it_has_expired_it_is_not_held_unasked(make: Make, clock: Clock) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    tracker.reserve("a", 60, ttl=10, id="h")
    clock.now += 9
    assert tracker.reserve("a", 60, ttl=10, id="h").expires == clock.now + 1
    clock.now += 1
    tracker.report_usage("b", "m", 100, 0)
    with pytest.raises(ReservationError, match="'h' has expired") as refused:
        tracker.reserve("a", 60, ttl=10, id="h")
    assert "another id" in str(refused.value.hint)
    assert tracker.settle("h", "m", 1, 0), "what was spent under it is recorded all the same"


@pytest.mark.parametrize("end", ["settled", "released"])
def test_asked_for_again_when_it_has_ended_it_is_refused(make: Make, end: str) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    hold = tracker.reserve("a", 60, id="h")
    if end == "settled":
        hold.settle("m", 60, 0)
    else:
        hold.release()
    tracker.report_usage("b", "m", 40, 0)
    with pytest.raises(ReservationError, match=f"was {end} already"):
        tracker.reserve("a", 60, id="h")
    assert tracker.get_status().reserved == 0

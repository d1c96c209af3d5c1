"""Many open reservations: none that holds something is forgotten, and each question takes the same few steps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge import BudgetConfig, BudgetExceededError, RecordError, ReservationError, TokenBudgetTracker
from budgauge.accounting import open_reservations
from budgauge.accounting.codec import encode
from budgauge.accounting.open_reservations import OpenReservations
from budgauge.accounting.records import Reserve
from budgauge.authority.folded import Folded
from clock import Clock
from steps import calls, growth
from usage import Make

START = 1_767_225_600


def hold(number: int, expires: float, agent_id: str = "a", tokens: int = 1) -> Reserve:
    return Reserve(START, f"h{number}", agent_id, tokens, expires)


def test_a_reservation_of_nothing_is_refused(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    with pytest.raises(RecordError, match="tokens must be an integer from 1 to"):
        tracker.reserve("a", 0)
    assert not tracker.get_status().reserved


def test_an_older_ledger_s_reservation_of_nothing_can_be_ended(ledger: Path, clock: Clock) -> None:
    ledger.write_bytes(encode(hold(1, START + 60, tokens=0)) + encode(hold(2, START + 60, tokens=0)))
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=100), ledger=ledger, now=clock)
    assert tracker.settle("h1", "m", 5, 0)
    tracker.release("h2")
    assert (tracker.get_total_used(), tracker.get_status().reserved) == (5, 0)


def test_reservations_of_nothing_and_expired_ones_never_push_out_one_that_holds(
    ledger: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_reservations, "KEPT_IDLE", 50)
    real = [hold(number, START + 60, tokens=9) for number in range(100)]
    empty = [hold(1_000 + number, START + 9_999, tokens=0) for number in range(500)]
    expired = [hold(2_000 + number, START - 1, tokens=9) for number in range(500)]
    ledger.write_bytes(b"".join(map(encode, [*real[:50], *empty, *real[50:], *expired])))
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=1_000), ledger=ledger, now=clock)
    with pytest.raises(BudgetExceededError, match=r"\(current: 900, requested: 101\)"):
        tracker.reserve("b", 101)
    holds = tracker._authority.totals.holds
    assert all(reserve.id in holds for reserve in real)
    assert len(holds) <= 100 + 2 * 50


@pytest.mark.parametrize("end", ["settle", "release"])
def test_one_that_was_pushed_out_can_be_ended(
    make: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """By its id alone: what was spent is recorded, however late."""
    monkeypatch.setattr(open_reservations, "KEPT_IDLE", 5)
    tracker = make(BudgetConfig(total_budget=1_000))
    late = tracker.reserve("a", 9, ttl=1)
    clock.now += 2
    for _ in range(30):
        tracker.reserve("b", 1, ttl=1)
        clock.now += 2
    tracker.get_status()
    assert not isinstance(tracker._authority, Folded) or late.id not in tracker._authority.totals.holds
    if end == "settle":
        assert tracker.settle(late.id, "m", 5, 0)
        assert tracker.get_all_agent_totals() == {"a": 5}
    else:
        tracker.release(late.id)
    with pytest.raises(ReservationError, match=f"was {end}d already"):
        tracker.release(late.id)


def test_a_long_ledger_of_expired_reservations_is_read_in_bounded_memory(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_reservations, "KEPT_IDLE", 50)
    ledger.write_bytes(b"".join(encode(hold(number, START + number)) for number in range(9_000)))
    tracker = TokenBudgetTracker(ledger=ledger, now=lambda: START + 10**6)
    tracker.get_total_used()
    assert len(tracker._authority.totals.holds) <= 100


@pytest.mark.parametrize("expires", [START + 600, START - 1], ids=["open", "expired"])
def test_a_question_takes_the_same_steps_however_many_there_are(make: Make, clock: Clock, expires: float) -> None:
    def steps(number: int) -> int:
        tracker = TokenBudgetTracker(BudgetConfig(per_agent_limits={"t/*": 10**9, "t/1": 10**9}), now=clock)
        for place in range(number):
            tracker._authority.totals.add([hold(place, expires, f"t/{place}")])
        tracker.check("t/1")
        tracker.report_usage("t/1", "m", 1, 0)
        return calls(lambda: (tracker.check("t/1"), tracker.report_usage("t/1", "m", 1, 0), tracker.reserve("t/1", 1)))

    assert steps(3_000) == steps(30)


def test_the_steps_grow_with_the_number_of_reservations_and_no_faster() -> None:
    def work(number: int) -> None:
        holds = OpenReservations(hold(place, START + place % 7, f"a/{place % 50}") for place in range(number))
        for now in (START + 3, START + 9, START, START + 9):
            holds.move_to(now)

    assert growth(work, 2_000, 8) < 10


def test_ended_ones_leave_nothing_behind() -> None:
    holds = OpenReservations()
    for number in range(10_000):
        holds.add(hold(number, START + 600))
        holds.remove(f"h{number}")
        holds.move_to(START)
    assert (len(holds), holds.tokens, holds.by_agent, holds.by_family) == (0, 0, {}, {})
    assert len(holds._to_expire) + len(holds._to_return) < 200


def test_the_next_end_is_that_of_one_that_still_holds() -> None:
    holds = OpenReservations()
    for reserve in (hold(1, START + 5), hold(2, START + 7, tokens=0), hold(3, START + 9), hold(4, START + 8)):
        holds.add(reserve)
    holds.remove("h4")
    holds.move_to(START)
    assert holds.next_expiry == START + 5
    holds.move_to(START + 5)
    assert holds.next_expiry == START + 9
    holds.move_to(START + 9)
    assert holds.next_expiry is None


steps_taken = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 9), st.sampled_from(["a", "a/x", "b"]), st.integers(0, 3)),
        st.tuples(st.just("remove"), st.integers(0, 9), st.just(""), st.just(0)),
        st.tuples(st.just("move"), st.integers(-5, 15), st.just(""), st.just(0)),
    ),
    max_size=60,
)


@given(steps_taken)
def test_the_sums_are_those_of_the_open_ones_wherever_the_clock_is_moved(
    taken: list[tuple[str, int, str, int]],
) -> None:
    holds, plain, now = OpenReservations(), dict[str, Reserve](), 0.0
    for kind, number, agent_id, tokens in taken:
        if kind == "add" and f"h{number}" not in plain:
            plain[f"h{number}"] = reserve = hold(number, number, agent_id, tokens)
            holds.add(reserve)
        elif kind == "remove":
            holds.remove(f"h{number}")
            plain.pop(f"h{number}", None)
        elif kind == "move":
            now = number
        holds.move_to(now)
        open_ones = [reserve for reserve in plain.values() if reserve.expires > now and reserve.tokens]
        agents = {reserve.agent_id for reserve in open_ones}
        assert holds.by_agent == {
            agent: sum(reserve.tokens for reserve in open_ones if reserve.agent_id == agent) for agent in agents
        }
        assert holds.tokens == sum(reserve.tokens for reserve in open_ones)
        below_a = sum(reserve.tokens for reserve in open_ones if reserve.agent_id != "b")
        assert holds.by_family.get("a/*", 0) == below_a
        assert holds.next_expiry == min((reserve.expires for reserve in open_ones), default=None)
        assert sorted(holds) == sorted(plain)


def test_a_checkpoint_keeps_them(ledger: Path, clock: Clock) -> None:
    lines = [encode(hold(number, START + 600, tokens=2)) for number in range(12_000)]
    ledger.write_bytes(b"".join(lines))
    assert os.path.getsize(ledger) > 1 << 20
    for _ in range(2):
        tracker = TokenBudgetTracker(BudgetConfig(total_budget=24_001), ledger=ledger, now=clock)
        assert tracker.get_status().reserved == 24_000
        assert tracker.check("b", 2) is not None

"""A tracker in memory keeps few records, and says what it would say if it had kept them all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge import BudgetConfig, DuplicateIdError, TokenBudgetTracker
from budgauge.accounting.accumulator import Extent
from budgauge.accounting.billing_cycle import Calendar
from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Record, Release, Reserve, Reset, Settle, UndoReset, Usage
from budgauge.accounting.recut import SLOT_SECONDS, slot
from budgauge.accounting.usage_sums import CycleOf, uncut
from budgauge.authority import memory as memory_module
from budgauge.authority.memory import Memory
from budgauge.config import Cycle, PriceOverride
from budgauge.pricing import price_book
from budgauge.pricing.model_price import ModelPrice, Period, Tier, TokenPrices
from clock import Clock
from usage import Make, usage

START = 1_767_225_600
HOUR = 3600
CYCLES = [None, *(Cycle(period=period) for period in ("daily", "weekly", "monthly"))]


class Tiered:
    """Long prompts cost more."""

    def __init__(self, above: int) -> None:
        self.above = above
        self.shape = f"above {above}"

    def extent(self, prompt_tokens: int, timestamp: float) -> Extent:
        is_long = prompt_tokens > self.above
        ends = (self.above, float("inf")) if is_long else (-1, self.above)
        return Extent((0, int(is_long)), 0, float("inf"), *ends)


def records(seed: int, number: int) -> Iterator[Record]:
    """Calls, resets, undos and reservations of a few days."""
    chance = random.Random(seed)
    resets: list[str] = []
    for place in range(number):
        moment, agent = START + chance.randrange(0, 90 * HOUR), chance.choice("abc")
        kind = chance.randrange(20)
        if kind == 0:
            resets.append(f"r{place}")
            yield Reset(moment, resets[-1], chance.choice([None, "a"]))
        elif kind == 1:
            yield UndoReset(moment, resets.pop() if resets else "none")
        elif kind == 2:
            yield Reserve(moment, f"h{chance.randrange(9)}", agent, 5, moment + chance.choice([-9, HOUR]))
        elif kind == 3:
            call = usage(agent, 7, 1, timestamp=moment)
            yield Settle(*(getattr(call, name) for name in Usage.__struct_fields__), reserve=f"h{chance.randrange(9)}")
        elif kind == 4:
            yield Release(moment, f"h{chance.randrange(9)}")
        else:
            id = f"x{chance.randrange(30)}" if kind < 8 else None
            prompt = chance.randrange(20)
            yield usage(agent, prompt, 1, timestamp=moment, id=id, cached_tokens=chance.choice([None, 5]))


def cycle_of(cycle: Cycle | None) -> CycleOf:
    return Calendar(cycle).span if cycle else uncut


def plain(made_of: list[Record], cycle: Cycle | None) -> Totals:
    """A fold of all records."""
    totals = Totals(lambda _model: Tiered(10), cycle_of(cycle))
    totals.add(made_of)
    return totals


@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from(CYCLES), st.sampled_from(CYCLES))
def test_it_adds_up_to_what_all_records_add_up_to(seed: int, number: int, first: Cycle, then: Cycle) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory_module, "KEPT_RECORDS", 3)
        patch.setattr(Memory, "_pricing_of", lambda _memory, _model: Tiered(10))
        store = Memory(BudgetConfig(cycle=first), lambda: 0.0)
        made_of: list[Record] = []
        for record in records(seed, number):
            store.append(record)
            made_of.append(record)
            assert len(store._records) < 6
        assert store.totals.state() == plain(made_of, first).state()
        store.set_config(BudgetConfig(cycle=then))
        assert store.totals.state() == plain(made_of, then).state()
        for record in records(seed + 1, number):
            store.append(record)
            made_of.append(record)
        assert store.totals.state() == plain(made_of, then).state()


def test_every_cycle_begins_where_a_slot_begins() -> None:
    zones = ["UTC", "local", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"]
    for cycle in (Cycle(period=period, timezone=zone) for period in ("daily", "weekly", "monthly") for zone in zones):
        for hour in range(0, 24 * 400, 7):
            begin, end = Calendar(cycle).span(START + hour * HOUR)
            assert slot(begin)[0] == begin
            assert end % SLOT_SECONDS == 0


def test_a_long_life_keeps_no_more_records_than_a_short_one(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(memory_module, "KEPT_RECORDS", 500)
    monkeypatch.setattr(price_book, "lookup", lambda models: dict.fromkeys(models))
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=0), now=clock)
    for _ in range(5000):
        tracker.report_usage("a", "m", 1, 1)
    assert len(tracker._authority._records) < 1000
    assert tracker.get_total_used() == 10_000
    assert tracker.get_status().agents[0].calls == 5000
    assert len(tracker._authority._past.cycles) == 1


def test_ids_are_known_though_their_records_are_summed_up(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(memory_module, "KEPT_RECORDS", 5)
    monkeypatch.setattr(price_book, "lookup", lambda models: dict.fromkeys(models))
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=1000), now=clock)
    for number in range(40):
        assert tracker.report_usage("a", "m", 1, 1, id=f"x{number}")
    hold = tracker.reserve("a", 100)
    tracker.update_config(BudgetConfig(total_budget=1000, cycle=Cycle(period="daily")))
    for number in range(40):
        assert not tracker.report_usage("a", "m", 1, 1, id=f"x{number}")
    with pytest.raises(DuplicateIdError):
        tracker.report_usage("a", "m", 2, 1, id="x0")
    assert tracker.get_status().reserved == 100
    assert hold.settle("m", 50, 0)
    assert not hold.settle("m", 50, 0)
    assert tracker.get_total_used() == 130


def priced(dollars: int) -> TokenPrices:
    return TokenPrices(*[Decimal(dollars)] * 5)


TIERED = ModelPrice((Period((Tier(0, priced(1)), Tier(10, priced(3)))),))
FLAT = PriceOverride(prompt_per_1k=Decimal(2), completion_per_1k=Decimal(2))


def cost_with(kept: int, monkeypatch: pytest.MonkeyPatch, clock: Clock, *, asked_first: bool) -> list[object]:
    """What 30 short and long calls cost where so many records are kept, as other prices come and go."""
    monkeypatch.setattr(memory_module, "KEPT_RECORDS", kept)
    monkeypatch.setattr(price_book, "lookup", lambda models: dict.fromkeys(models, TIERED))
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=0), now=clock)
    if asked_first:
        tracker.get_status()
    for number in range(30):
        tracker.report_usage("a", f"m{number % 3}", 5 if number % 2 else 50, 0)
    found: list[object] = [tracker.get_status().cost.total_usd]
    tracker.update_config(BudgetConfig(total_budget=0, prices={"m0": FLAT}))
    found.append(tracker.get_status().cost.total_usd)
    return found


@pytest.mark.parametrize("asked_first", [False, True])
def test_a_price_is_that_of_each_call_however_few_records_are_kept(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, asked_first: bool
) -> None:
    few = cost_with(4, monkeypatch, clock, asked_first=asked_first)
    assert few == cost_with(1000, monkeypatch, clock, asked_first=asked_first)
    assert few[0] == (Decimal(15 * 5) + 15 * 50 * 3) / 10**6


def test_prices_that_come_later_are_those_of_the_mean_prompt(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(memory_module, "KEPT_RECORDS", 4)
    monkeypatch.setattr(price_book, "lookup", lambda models: dict.fromkeys(models, TIERED))
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=0, prices={"m": FLAT}), now=clock)
    for _ in range(8):
        tracker.report_usage("a", "m", 50, 0)
    assert tracker.get_status().cost.total_usd == Decimal(8 * 50 * 2) / 1000
    tracker.update_config(BudgetConfig(total_budget=0))
    assert tracker.get_status().cost.total_usd == Decimal(8 * 50 * 3) / 10**6


def test_a_price_table_that_cannot_be_read_loses_no_record(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(memory_module, "KEPT_RECORDS", 4)

    def fails(_models: object) -> None:
        raise ImportError("no such table")

    with monkeypatch.context() as patch:
        patch.setattr(price_book, "lookup", fails)
        tracker = TokenBudgetTracker(BudgetConfig(total_budget=0), now=clock)
        for _ in range(20):
            tracker.report_usage("a", "m", 50, 0)
        assert tracker.get_total_used() == 1000
        with pytest.raises(ImportError):
            tracker.get_status()
    monkeypatch.setattr(price_book, "lookup", lambda models: dict.fromkeys(models, TIERED))
    assert tracker.get_status().cost.total_usd == Decimal(20 * 50 * 3) / 10**6


def test_a_factor_that_changes_is_in_force_at_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = make(BudgetConfig(prices={"m": FLAT}, price_factors={"speed.fast": Decimal(2)}))
    tracker.report_usage("a", "m", 1000, 0, speed="fast")
    assert tracker.get_status().cost.total_usd == 4
    tracker.update_config(BudgetConfig(prices={"m": FLAT}, price_factors={"speed.fast": Decimal(3)}))
    assert tracker.get_status().cost.total_usd == 6

"""Readings on demand: one agent or family in detail, and everything over time."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.codec import encode
from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Record, Release, Reserve, Reset, Settle, UndoReset
from budgauge.config import BudgetConfig, PriceOverride
from budgauge.pricing.model_price import ModelPrice, Period, Tier, TokenPrices
from budgauge.pricing.price_book import PriceBook
from budgauge.status.snapshot import take_snapshot
from budgauge.views.scan import LATEST_CALLS, AgentReport, AgentScan, Span, TimeScan
from usage import usage

PRICE = PriceOverride(prompt_per_1k=Decimal(1), completion_per_1k=Decimal(2))
CONFIG = BudgetConfig(prices={"gpt-4": PRICE})
NOW = 1_767_225_600


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def write(ledger: Path, records: Sequence[Record], *, more: bytes = b"") -> None:
    with ledger.open("ab") as file:
        file.write(b"".join(map(encode, records)) + more)


def scan(ledger: Path, key: str, *, config: BudgetConfig = CONFIG, prices: PriceBook | None = None) -> AgentScan:
    prices = prices or PriceBook(config.prices)
    return AgentScan(ledger, config, prices, key, is_family=key.endswith("/*"), clock=lambda: NOW)


def report(ledger: Path, key: str) -> AgentReport:
    return scan(ledger, key).look()


def test_an_agent_is_told_apart_from_all_others(ledger: Path) -> None:
    calls = [usage("a", 10, 5), usage("a/x", 20, 0), usage("ab", 40, 0), usage("a", 7, 0, model="other")]
    write(ledger, calls)
    a = report(ledger, "a")
    assert [(row.model, row.used, row.cost_usd) for row in a.models] == [
        ("gpt-4", 15, Decimal("0.02")),
        ("other", 7, None),
    ]
    assert a.calls == (calls[3], calls[0])
    assert (a.lines, a.copies, a.set_aside, a.unreadable, a.reset_tokens) == (2, 0, 0, 0, 0)
    family = report(ledger, "a/*")
    assert family.calls == (calls[3], calls[1], calls[0])
    assert sum(row.used for row in family.models) == 42


def test_it_says_what_was_dropped_set_aside_or_unreadable(ledger: Path) -> None:
    lines = [
        usage("a", 10, 0, id="1"),
        usage("a", 10, 0, id="1", timestamp=9),
        usage("a", 11, 0, id="1"),
        usage("b", 10, 0, id="2"),
        usage("b", 11, 0, id="2"),
        Reserve(1, "h", "a", 9, 2e9),
        Settle("a", "gpt-4", 5, 0, 5, 1, reserve="h"),
        Settle("a", "gpt-4", 5, 0, 5, 1, reserve="h"),
        Settle("a", "gpt-4", 6, 0, 6, 1, reserve="h"),
        Release(1, "h"),
    ]
    write(ledger, lines, more=b"{broken}\n")
    a = report(ledger, "a")
    assert (a.lines, a.copies, a.set_aside, a.unreadable) == (2, 2, 2, 1)
    assert report(ledger, "b").set_aside == 1


def test_resets_take_away_and_undo_brings_back(ledger: Path) -> None:
    write(ledger, [usage("a", 10, 0), usage("b", 1, 0), Reset(1, "r"), usage("a", 3, 0), Reset(1, "s", agent_id="b")])
    a = report(ledger, "a")
    assert (a.models[0].used, a.reset_tokens, a.lines, len(a.calls)) == (3, 10, 2, 2)
    write(ledger, [UndoReset(1, "s"), UndoReset(1, "r")])
    a = report(ledger, "a")
    assert (a.models[0].used, a.reset_tokens) == (13, 0)


def test_it_goes_on_with_what_is_new(ledger: Path) -> None:
    write(ledger, [usage("a", 1, 0, timestamp=i) for i in range(LATEST_CALLS + 5)])
    reading = scan(ledger, "a")
    first = reading.look()
    assert (first.lines, len(first.calls), first.calls[0].timestamp) == (
        LATEST_CALLS + 5,
        LATEST_CALLS,
        LATEST_CALLS + 4,
    )
    write(ledger, [usage("a", 2, 0, timestamp=99), usage("b", 2, 0)])
    assert (reading.look().calls[0].timestamp, reading.look().lines) == (99, LATEST_CALLS + 6)


def test_a_ledger_that_is_not_there_is_empty(ledger: Path) -> None:
    assert report(ledger, "a") == AgentReport(
        models=(), calls=(), lines=0, copies=0, set_aside=0, unreadable=0, reset_tokens=0, prices=()
    )


def test_it_names_the_price_of_every_call(ledger: Path) -> None:
    cheap, dear = (TokenPrices(*(Decimal(number) for number in range(first, first + 5))) for first in (1, 10))
    prices = PriceBook(CONFIG.prices)
    prices.learn({"tiered": ModelPrice((Period((Tier(0, cheap), Tier(100, dear)), start=5),))})
    calls = [usage("a", 10, 0, model="tiered"), usage("a", 200, 0, model="tiered"), usage("a"), usage("a", model="new")]
    write(ledger, [*calls, usage("a", 300, 0, model="tiered")])
    rows = scan(ledger, "a", prices=prices).look().prices
    assert [(row.model, row.rates, row.above, row.start, row.calls) for row in rows] == [
        ("gpt-4", prices.price("gpt-4").periods[0].tiers[0].rates, 0, None, 1),  # type: ignore[union-attr]  # it has one
        ("new", None, 0, None, 1),
        ("tiered", cheap, 0, 5, 1),
        ("tiered", dear, 100, 5, 2),
    ]
    assert [row.origin.split()[0] if row.origin else "" for row in rows] == [
        *("[token_budget.prices]", "", "genai-prices", "genai-prices"),
    ]


records = st.lists(
    st.one_of(
        st.builds(
            lambda agent, prompt, id: usage(agent, prompt, 1, id=id),
            st.sampled_from(["a", "a/x", "b"]),
            st.integers(0, 9),
            st.none() | st.sampled_from(["1", "2", "1#2", "2#2"]),
        ),
        st.builds(lambda id, agent: Reset(1, id, agent_id=agent), st.sampled_from("rs"), st.sampled_from([None, "a"])),
        st.builds(lambda id: UndoReset(1, id), st.sampled_from("rs")),
    ),
    max_size=20,
)


@given(records)
def test_it_agrees_with_the_fold(tmp_path_factory: pytest.TempPathFactory, lines: list[Record]) -> None:
    ledger = tmp_path_factory.mktemp("scan") / "ledger.jsonl"
    write(ledger, lines)
    totals = Totals()
    totals.add(lines)
    view = take_snapshot(totals, CONFIG, PriceBook(CONFIG.prices), now=NOW)
    for row in view.agents:
        found = report(ledger, row.agent_id)
        assert sum(model.used for model in found.models) == row.used
        assert sum(price.calls for price in found.prices) == row.calls


HOUR = Span(0, 60, 60)


def test_tokens_by_step_and_agent(ledger: Path) -> None:
    write(
        ledger,
        [
            usage("a", 10, 0, timestamp=60 * 100),
            usage("a", 5, 0, timestamp=60 * 101 - 1),
            usage("b", 100, 0, timestamp=60 * 102),
            usage("old", 9, 0, timestamp=60 * 99),
            usage("far", 9, 0, timestamp=9e9),
        ],
    )
    found = TimeScan(ledger, CONFIG, PriceBook(CONFIG.prices), Span(6000, 60, 3), Span(0, 6000, 2)).look()
    assert found.agents == (("b", (0, 0, 100)), ("a", (15, 0, 0)))
    assert found.used == (9, 115)
    assert found.costs == (Decimal("0.009"), Decimal("0.115"))
    assert (found.used_before, found.cost_before) == (0, Decimal(0))
    later = TimeScan(ledger, CONFIG, PriceBook(CONFIG.prices), Span(6000, 60, 3), Span(6060, 60, 9)).look()
    assert (later.used_before, later.cost_before, later.used) == (24, Decimal("0.024"), (0, 100, *[0] * 7))


def test_what_was_reset_is_in_the_chart_alone(ledger: Path) -> None:
    write(ledger, [usage("a", 10, 0, timestamp=30), Reset(40, "r"), usage("a", 3, 0, timestamp=50)])
    found = TimeScan(ledger, CONFIG, PriceBook(CONFIG.prices), HOUR, HOUR).look()
    assert found.agents[0][1][0] == 13
    assert found.used[0] == 3


def test_an_unknown_price_is_no_cost_and_uncached_is_what_counts(ledger: Path) -> None:
    write(ledger, [usage("a", 10, 0, timestamp=30, model="new", cached_tokens=4)])
    found = TimeScan(ledger, BudgetConfig(count="uncached"), PriceBook({}), HOUR, HOUR).look()
    assert (found.agents[0][1][0], found.used[0], found.costs[0], found.costs[1]) == (6, 6, None, Decimal(0))


@given(
    st.lists(st.integers(0, 10_000), max_size=30),
    st.builds(Span, st.integers(0, 5000), st.integers(1, 900), st.integers(1, 20)),
    st.builds(Span, st.integers(0, 5000), st.integers(1, 900), st.integers(1, 20)),
)
def test_every_call_falls_in_its_step(
    tmp_path_factory: pytest.TempPathFactory, seconds: list[int], chart: Span, counters: Span
) -> None:
    ledger = tmp_path_factory.mktemp("scan") / "ledger.jsonl"
    write(ledger, [usage("a", 1, 0, timestamp=second) for second in seconds])
    found = TimeScan(ledger, CONFIG, PriceBook(CONFIG.prices), chart, counters).look()

    def expected(span: Span) -> tuple[int, ...]:
        steps = [0] * span.number
        for second in seconds:
            if span.begin <= second < span.end:
                steps[(second - span.begin) // span.step] += 1
        return tuple(steps)

    assert found.used == expected(counters)
    assert (found.agents[0][1] if found.agents else (0,) * chart.number) == expected(chart)

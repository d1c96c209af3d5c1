"""The one view: what it says of usage, limits, cost and faults."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from budgauge.accounting.accumulator import FOREVER
from budgauge.accounting.fold import Totals
from budgauge.accounting.period import since
from budgauge.accounting.records import Record, Reserve, Reset, UndoReset
from budgauge.config import BudgetConfig, PriceOverride
from budgauge.pricing.price_book import PriceBook
from budgauge.status.problems import Problem
from budgauge.status.snapshot import Snapshot, take_snapshot
from usage import usage

PRICE = PriceOverride(prompt_per_1k=Decimal(1), completion_per_1k=Decimal(2), cached_per_1k=Decimal("0.1"))


def seen(*records: Record, recent_from: float = FOREVER, now: float = 0, **settings: Any) -> Snapshot:
    config = BudgetConfig(**{"total_budget": 1000, "prices": {"gpt-4": PRICE}, **settings})
    totals = Totals(recent_from=recent_from)
    totals.add(records)
    return take_snapshot(totals, config, PriceBook(config.prices), now=now, ledger="/l")


def test_nothing_used() -> None:
    empty = seen()
    assert (empty.total_used, empty.remaining_budget, empty.usage_percentage, empty.state) == (0, 1000, 0.0, "ok")
    assert (empty.agents, empty.models, empty.since, empty.reset_id, empty.problems) == ((), (), None, None, ())
    assert (empty.cost.total_usd, empty.cost.budget_usd, empty.cost.unpriced_tokens) == (Decimal(0), None, 0)
    assert (empty.warning, empty.exceeded) == (None, ())


def test_a_row_for_each_agent_most_used_first() -> None:
    view = seen(usage("a", 100, 0), usage("b", 150, 50), usage("b", 90, 10), usage("0", 100, 0))
    assert [(row.agent_id, row.used, row.calls) for row in view.agents] == [("b", 300, 2), ("0", 100, 1), ("a", 100, 1)]
    b = view.agents[0]
    assert (b.prompt_tokens, b.completion_tokens, view.share(b.used), b.cost_usd) == (240, 60, 60.0, Decimal("0.36"))
    assert (b.limit, b.remaining, b.usage_percentage, b.state) == (None, None, None, "ok")
    assert view.agent_totals == {"b": 300, "0": 100, "a": 100}


@pytest.mark.parametrize(
    ("used", "remaining", "state", "exceeded"),
    [(79, 21, "ok", ()), (80, 20, "warning", ()), (100, 0, "exceeded", ("a",)), (130, 0, "exceeded", ("a",))],
)
def test_limits_of_agents(used: int, remaining: int, state: str, exceeded: tuple[str, ...]) -> None:
    view = seen(usage("a", used, 0), per_agent_limits={"a": 100, "idle": 5})
    row = view.agents[0]
    assert (row.limit, row.remaining, row.usage_percentage, row.state) == (100, remaining, float(used), state)
    assert view.exceeded == exceeded
    idle = view.agents[1]
    assert (idle.agent_id, idle.used, idle.calls, idle.last_used, idle.cost_usd) == ("idle", 0, 0, None, Decimal(0))
    assert "idle" not in view.agent_totals


def test_families() -> None:
    view = seen(usage("f", 30, 0), usage("f/x", 70, 0), usage("ff", 5, 0), per_agent_limits={"f/*": 100, "g/*": 9})
    assert [(row.family, row.used, row.limit, row.remaining, row.state) for row in view.families] == [
        ("f/*", 100, 100, 0, "exceeded"),
        ("g/*", 0, 9, 9, "ok"),
    ]
    assert view.exceeded == ("f/*",)
    assert [row.agent_id for row in view.agents] == ["f/x", "f", "ff"]


def test_a_family_is_the_sum_of_its_members() -> None:
    view = seen(
        usage("f", 30, 1, timestamp=70, cached_tokens=4),
        usage("f/x", 70, 0, timestamp=130),
        usage("f/y", 5, 0, timestamp=130, model="no-such-model"),
        usage("g", 1, 0, timestamp=130, model="no-such-model"),
        Reserve(100, "h", "f/x", 9, 1e9),
        per_agent_limits={"f/*": 200, "g/*": 9, "idle/*": 9},
        recent_from=0,
    )
    family, unpriced, idle = view.families
    assert (family.calls, family.last_used, family.reserved, family.usage_percentage) == (3, 130, 9, 53.0)
    assert (family.prompt_tokens, family.completion_tokens, family.cached_tokens) == (105, 1, 4)
    assert family.cost_usd == view.cost.total_usd
    assert view.share(family.used) == pytest.approx(10600 / 107)
    assert family.minutes == ((1, 31), (2, 75))
    assert (unpriced.cost_usd, idle.cost_usd, idle.last_used) == (None, Decimal(0), None)


def test_an_agent_allowed_nothing_is_no_alarm_until_it_is_used() -> None:
    assert seen(per_agent_limits={"a": 0}).exceeded == ()
    assert seen(usage("a", 1, 0), per_agent_limits={"a": 0}).exceeded == ("a",)


@pytest.mark.parametrize(
    ("used", "state", "warning"),
    [
        (799, "ok", None),
        (800, "warning", "Token budget warning: 80.0% used (800 / 1000)"),
        (1000, "exceeded", "Token budget warning: 100.0% used (1000 / 1000)"),
        (1500, "exceeded", "Token budget warning: 150.0% used (1500 / 1000)"),
    ],
)
def test_the_total(used: int, state: str, warning: str | None) -> None:
    view = seen(usage("a", used, 0))
    assert (view.state, view.warning, view.remaining_budget) == (state, warning, max(0, 1000 - used))


def test_an_unlimited_total() -> None:
    view = seen(usage("a", 10**9, 0), total_budget=0)
    assert (view.remaining_budget, view.usage_percentage, view.state, view.warning) == (None, None, "ok", None)
    assert view.cost.budget_usd is None


def test_uncached_counting_changes_what_is_used_not_what_is_shown() -> None:
    view = seen(usage("a", 100, 10, cached_tokens=60), count="uncached", per_agent_limits={"a/*": 50})
    (row,) = view.agents
    assert (view.total_used, row.used, view.models[0].used, view.families[0].used) == (50, 50, 50, 50)
    assert (row.prompt_tokens, row.completion_tokens, row.cached_tokens) == (100, 10, 60)
    assert row.cost_usd == Decimal("0.066")
    assert [tokens for _, tokens in view.minutes] == [50]


def test_cost_of_the_whole_budget_and_with_the_buffer() -> None:
    cost = seen(usage("a", 100, 0), usage("b", 0, 100)).cost
    assert (cost.total_usd, cost.upper_usd, cost.budget_usd) == (Decimal("0.3"), Decimal("0.345"), Decimal("1.5"))
    assert seen(usage("a", 100, 0), untracked_buffer=12.5).cost.upper_usd == Decimal("0.1125")


def test_an_unknown_price_is_not_zero() -> None:
    view = seen(usage("a", 100, 0, model="secret"))
    assert (view.cost.total_usd, view.cost.upper_usd, view.cost.budget_usd) == (None, None, None)
    assert view.cost.unpriced_tokens == 100
    assert (view.agents[0].cost_usd, view.models[0].cost_usd) == (None, None)


def test_what_can_be_priced_is() -> None:
    view = seen(usage("a", 300, 0, model="secret"), usage("a", 100, 0))
    assert (view.cost.total_usd, view.cost.unpriced_tokens) == (Decimal("0.1"), 300)
    assert view.cost.budget_usd == 1, "at the mean price of what could be priced"
    assert {row.model: row.cost_usd for row in view.models} == {"secret": None, "gpt-4": Decimal("0.1")}


def test_what_was_odd_is_told() -> None:
    view = seen(
        usage(total_tokens=99), usage(cached_tokens=99), usage(id="x"), usage(prompt=2, id="x"), UndoReset(1, "?")
    )
    assert {problem.kind: problem.count for problem in view.problems} == {
        "total_mismatch": 1,
        "parts_clipped": 1,
        "id_conflict": 1,
        "undo_without_reset": 1,
    }
    assert all(problem.message for problem in view.problems)


def test_given_problems_come_first() -> None:
    given = Problem(kind="set_aside", count=2, message="m")
    totals = Totals()
    totals.add([usage(total_tokens=99)])
    view = take_snapshot(totals, BudgetConfig(), PriceBook({}), now=0, problems=[given])
    assert [problem.kind for problem in view.problems] == ["set_aside", "total_mismatch"]


def test_resets_are_dated() -> None:
    view = seen(usage(), Reset(70, "r"), Reset(90, "r2", agent_id="a"), now=100)
    assert (view.since, view.reset_id, view.total_used) == (70, "r2", 0)


@pytest.mark.parametrize("timestamp", [101, 253_402_300_799])
def test_a_reset_dated_in_the_future_is_as_old_as_what_stands_before_it(timestamp: int) -> None:
    totals = Totals()
    totals.add([usage(timestamp=60), usage("b", timestamp=200), Reset(timestamp, "r"), usage(timestamp=90)])
    assert (since(totals, 100), totals.at(100).spent_by_all[0]) == (60, 15)
    totals.add([Reset(95, "r2"), Reset(timestamp, "r3")])
    assert since(totals, 100) == 95
    assert since(totals, timestamp) == timestamp


def test_a_reset_dated_in_the_future_with_nothing_before_it_has_no_date() -> None:
    totals = Totals()
    totals.add([Reset(101, "r")])
    assert since(totals, 100) is None


def test_minutes_come_in_order() -> None:
    view = seen(usage(timestamp=600), usage(timestamp=60), usage(timestamp=61))
    assert view.minutes == ((1, 30), (10, 15))

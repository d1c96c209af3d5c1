"""Rows that are kept up with each line are those that the whole fold gives, at a cost that agents do not change."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from budgauge.accounting import usage_sums
from budgauge.accounting.counters import sum_of
from budgauge.accounting.family import families_of, is_family
from budgauge.accounting.fold import Totals
from budgauge.accounting.limits import BudgetUsage
from budgauge.accounting.records import Record, Release, Reserve, Reset, Settle, UndoReset
from budgauge.config import BudgetConfig, PriceOverride
from budgauge.config.load import Options
from budgauge.config.name import hidden, same_name
from budgauge.pricing.price_book import PriceBook
from budgauge.status.cost import Part, cost_of
from budgauge.status.family_sum import FamilySum
from budgauge.status.kept_rows import KeptRows, Rows, agent_row
from budgauge.status.row import ACTIVE_MINUTES, AgentRow, ModelRow
from budgauge.status.snapshot import take_snapshot
from budgauge.views.live import Observer
from steps import calls
from usage import line, usage

DAY = 86_400
NOW = 1_767_225_600.0
PRICE = PriceOverride(prompt_per_1k=Decimal("0.03"), completion_per_1k=Decimal("0.06"))
LIMITS = {"a": 500, "a/*": 900, "a/b/*": 300, "c": 0, "unused": 10, "caf\u00e9": 40}
CONFIGS = [
    BudgetConfig(total_budget=1000, prices={"gpt-4": PRICE}),
    BudgetConfig(total_budget=1000, per_agent_limits=LIMITS, prices={"gpt-4": PRICE}),
    BudgetConfig(total_budget=0, per_agent_limits=LIMITS, prices={}, count="uncached"),
]

agents = st.sampled_from(["a", "a/b", "a/b/c", "c", "caf\u00e9", "cafe\u0301", "cafe\u0301/x", "\u200bz", "lone"])
models = st.sampled_from(["gpt-4", "in-house", "gpt-4", "claude\u200b"])
small = st.integers(0, 200)
ids = st.sampled_from(["r1", "r2", "r3"])
moments = st.integers(0, 3 * DAY).map(lambda seconds: NOW + seconds)
records = (
    st.builds(usage, agents, small, small, model=models, cached_tokens=st.none() | small, timestamp=moments)
    | st.builds(
        usage, agents, small, small, model=models, speed=st.just("fast"), web_search_requests=small, timestamp=moments
    )
    | st.builds(Reset, moments, ids, st.none() | agents)
    | st.builds(UndoReset, moments, ids)
    | st.builds(Reserve, moments, ids, agents, small, moments)
    | st.builds(
        Settle,
        reserve=ids,
        agent_id=agents,
        model=models,
        prompt_tokens=small,
        completion_tokens=small,
        total_tokens=small,
        timestamp=moments,
    )
    | st.builds(Release, moments, ids)
)
steps = st.lists(st.tuples(st.lists(records, max_size=4), st.integers(-30, 2 * 3600), st.integers(0, 9)), max_size=12)


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(0, len(CONFIGS) - 1), st.booleans())
def test_they_are_those_of_the_whole_fold(
    batches: Sequence[tuple[list[Record], int, int]], first: int, daily: bool
) -> None:
    def cycle_of(second: float) -> tuple[float, float]:
        begin = second // DAY * DAY
        return (begin, begin + DAY) if daily else (0.0, float("inf"))

    with mock.patch.object(usage_sums, "KEPT_AGENTS", 2):
        _compare(batches, CONFIGS[first], Totals(cycle_of=cycle_of, recent_from=0))


def _compare(batches: Sequence[tuple[list[Record], int, int]], config: BudgetConfig, totals: Totals) -> None:
    prices, kept, now = PriceBook(config.prices), KeptRows(), NOW
    for lines, passed, other in batches:
        totals.add(lines)
        now += passed
        if other == 0:
            config = CONFIGS[(CONFIGS.index(config) + 1) % len(CONFIGS)]
        elif other == 1:
            prices.learn({"in-house": None})
        rows = kept.take(totals, config, prices, now)
        assert rows == _one_by_one(totals, config, prices, now)
        assert take_snapshot(totals, config, prices, now=now, rows=rows) == take_snapshot(
            totals, config, prices, now=now
        )


def _one_by_one(totals: Totals, config: BudgetConfig, prices: PriceBook, now: float) -> Rows:
    """The rows of a moment, each made alone from the fold."""
    groups, used, limits = totals.at(now).groups, BudgetUsage.at(config, totals, now), config.per_agent_limits
    names = {key[0] for key in groups} | set(used.reserved)
    forms = set(map(same_name, names))
    names |= {name for name in limits if name not in forms and not is_family(name)}

    def agent(name: str) -> AgentRow:
        parts = [(key, sums) for key, sums in groups.items() if key[0] == name]
        return agent_row(name, parts, totals.sums.recent.get(name), cost_of(parts, prices), used, config)

    agents = sorted(map(agent, names), key=lambda row: (-row.used, row.agent_id))
    minute = int(now // 60)
    active = [row for row in agents if row.minutes and row.minutes[-1][0] >= minute - ACTIVE_MINUTES]
    families = (
        FamilySum(row for row in agents if key in families_of(same_name(row.agent_id))).row(
            key, limit, config.warning_threshold, minute
        )
        for key, limit in limits.items()
        if is_family(key)
    )
    by_model = (
        _model(name, [(key, sums) for key, sums in groups.items() if key[1] == name], config, prices)
        for name in {key[1] for key in groups}
    )
    return Rows(
        agents=tuple(agents),
        limited=tuple(row for row in agents if row.limit is not None),
        active=tuple(sorted(active, key=lambda row: row.agent_id)),
        families=tuple(sorted(families, key=lambda row: (-row.used, row.family))),
        models=tuple(sorted(by_model, key=lambda row: (-row.used, row.model))),
        hidden=tuple(sorted({name for key in groups for name in key[:2] if hidden(name)})),
    )


def _model(model: str, parts: list[Part], config: BudgetConfig, prices: PriceBook) -> ModelRow:
    sums = sum_of(part for _, part in parts)
    unpriced = [(key, part) for key, part in parts if prices.cost(key, part) is None]
    lacking = [prices.unknown_factors(*part) for part in unpriced if prices.price(model) is not None]
    return ModelRow(
        model=model,
        used=config.counted(sums.total, sums.cached),
        prompt_tokens=sums.prompt,
        completion_tokens=sums.completion,
        cached_tokens=sums.cached,
        cost_usd=cost_of(parts, prices),
        unpriced_tokens=sum(config.counted(part.total, part.cached) for _, part in unpriced),
        unknown_factors=tuple(sorted({factor for factors in lacking for factor in factors})),
    )


def a_line_among(agents: int) -> int:
    """Calls that the snapshot after one line takes among so many agents in families, of which some have limits."""
    config = BudgetConfig(total_budget=10**9, per_agent_limits={"f1/*": 10**6, "f2/*": 10**6}, prices={"gpt-4": PRICE})
    totals, prices, kept = Totals(recent_from=0), PriceBook(config.prices), KeptRows()
    totals.add([usage(f"f{i % 50}/a{i}", 10 + i % 7, 5, timestamp=NOW - i // 50 % 10 * 60) for i in range(agents)])

    def look() -> None:
        rows = kept.take(totals, config, prices, NOW)
        take_snapshot(totals, config, prices, now=NOW, rows=rows)

    look()
    totals.add([usage("f1/a1", 10, 5, timestamp=NOW)])
    return calls(look)


def test_a_line_takes_the_same_steps_among_ten_times_the_agents() -> None:
    assert a_line_among(5000) < 1.2 * a_line_among(500)


def test_a_look_takes_the_same_steps_among_ten_times_the_agents(tmp_path: Path, own_place: Path) -> None:
    def steps(agents: int) -> int:
        ledger = tmp_path / f"{agents}.jsonl"
        ledger.write_bytes(b"".join(line(f"f{i % 50}/a{i}", timestamp=NOW) for i in range(agents)))
        observer = Observer(Options(ledger=str(ledger)), lookup=False, clock=lambda: NOW + 1)
        assert len(observer.look().snapshot.agents) == agents
        observer.look()
        with ledger.open("ab") as file:
            file.write(line("f1/a1", timestamp=NOW))
        made = calls(observer.look)
        assert observer.look().snapshot.total_used == 15 * (agents + 1)
        return made

    assert steps(3000) < 1.2 * steps(300)

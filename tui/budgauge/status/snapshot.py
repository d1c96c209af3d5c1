"""The one frozen Snapshot for monitor, status and RPC. None of these computes numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Context, Decimal
from typing import Any

import msgspec

from budgauge.accounting.accumulator import FOREVER
from budgauge.accounting.counters import GroupKey, Groups, Sums, sum_of
from budgauge.accounting.family import families_of
from budgauge.accounting.fold import Totals
from budgauge.accounting.limits import (
    BudgetUsage,
    Severity,
    own_limit,
    percentage,
    severity,
    warning_at,
    warning_due,
    warning_message,
)
from budgauge.accounting.period import since
from budgauge.accounting.usage_by_minute import Pairs, UsageByMinute
from budgauge.config import BudgetConfig
from budgauge.config.name import hidden, same_name
from budgauge.pricing.price_book import PriceBook
from budgauge.status.family_sum import FamilySum
from budgauge.status.problems import Problem, fold_problems, name_problems
from budgauge.status.row import AgentRow, Cost, CycleRow, FamilyRow, ModelRow
from budgauge.status.unasked import UnaskedSession

_EXACT = Context(prec=80)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All numbers to show at one moment."""

    total_budget: int
    """0 means unlimited."""
    budget_is_default: bool
    """True where no total budget is set."""
    total_used: int
    remaining_budget: int | None
    reserved: int
    usage_percentage: float | None
    warning_threshold: float
    """Percent."""
    warning_at: int | None
    """The least number of used tokens that reaches the threshold; None if the budget is unlimited."""
    untracked_buffer: float
    """Percent."""
    state: Severity
    agents: tuple[AgentRow, ...]
    """Most used first. Agents with a limit are here even if they used nothing."""
    limited: tuple[AgentRow, ...]
    """The agents with a limit of their own, most used first."""
    active: tuple[AgentRow, ...]
    """The agents used within `ACTIVE_MINUTES`, by name."""
    families: tuple[FamilyRow, ...]
    models: tuple[ModelRow, ...]
    cost: Cost
    since: float | None
    """Unix seconds of the last reset of everyone or of the cycle's beginning; None if there was neither."""
    cycle_start: float | None
    """Unix seconds when the present cycle began; None without a cycle."""
    cycle_end: float | None
    """Unix seconds of the next reset by the cycle; None without a cycle."""
    reset_id: str | None
    ledger: str
    """Path of the ledger; empty for one in memory."""
    problems: tuple[Problem, ...]
    minutes: Pairs
    """(unix minute, counted tokens) of the latest minutes with usage, resets or not."""
    warning: str | None
    """The warning's exact message when the total stands at or over the threshold."""
    exceeded: tuple[str, ...]
    """Used agents, and families by key, at or over their own limit."""
    unasked: tuple[UnaskedSession, ...]
    """Collected sessions without gate calls today, most spent first."""
    stale_at: float | None
    """Unix seconds of the next change without a line: the end of a reservation or of the cycle."""

    @property
    def runs_since_cycle(self) -> bool:
        """Return True if the counters run since the cycle's start, with no later reset."""
        return self.cycle_start is not None and self.since == self.cycle_start

    def share(self, used: int) -> float:
        """Return some counted tokens in percent of the total used; 0 when nothing is used."""
        return used * 100 / self.total_used if self.total_used else 0.0

    @property
    def agent_totals(self) -> dict[str, int]:
        """Counted tokens of every agent used since the reset."""
        return {row.agent_id: row.used for row in self.agents if row.calls}


ACTIVE_MINUTES = 11
"""Minutes after the last usage in which an agent's row changes by time alone."""


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a snapshot."""

    agents: tuple[AgentRow, ...]
    limited: tuple[AgentRow, ...]
    active: tuple[AgentRow, ...]
    families: tuple[FamilyRow, ...]
    models: tuple[ModelRow, ...]
    hidden: tuple[str, ...]
    """Names with invisible characters."""


def all_rows(totals: Totals, config: BudgetConfig, prices: PriceBook, now: float) -> Rows:
    """Return all rows, built from the fold."""
    spending, groups, minute = BudgetUsage.at(config, totals, now), totals.at(now).groups, int(now // 60)
    agents = _agent_rows(groups, totals.sums.recent, spending, config, prices)
    active = (row for row in agents if row.minutes and row.minutes[-1][0] >= minute - ACTIVE_MINUTES)
    return Rows(
        agents=agents,
        limited=tuple(row for row in agents if row.limit is not None),
        active=tuple(sorted(active, key=lambda row: row.agent_id)),
        families=_family_rows(agents, config, minute),
        models=model_rows(groups, config, prices),
        hidden=tuple(sorted(name for name in _names_in(groups) if hidden(name))),
    )


def take_snapshot(
    totals: Totals,
    config: BudgetConfig,
    prices: PriceBook,
    *,
    now: float,
    budget_is_default: bool = False,
    ledger: str = "",
    problems: Iterable[Problem] = (),
    rows: Rows | None = None,
    unasked: tuple[UnaskedSession, ...] = (),
) -> Snapshot:
    """Return the snapshot of a fold under a config, with known prices, at a moment in unix seconds.

    `rows` are those of this very moment, where they are known; else all are made here.
    """
    rows = rows or all_rows(totals, config, prices, now)
    spending = BudgetUsage.at(config, totals, now)
    used = spending.by_all()
    budget = config.total_budget or None
    return Snapshot(
        total_budget=config.total_budget,
        budget_is_default=budget_is_default,
        total_used=used,
        remaining_budget=None if budget is None else max(0, budget - used),
        reserved=spending.reserved_by_all(),
        usage_percentage=percentage(used, budget),
        warning_threshold=config.warning_threshold,
        warning_at=None if budget is None else int(warning_at(config)),
        untracked_buffer=config.untracked_buffer,
        state=severity(used, budget, config.warning_threshold),
        agents=rows.agents,
        limited=rows.limited,
        active=rows.active,
        families=rows.families,
        models=rows.models,
        cost=_cost(rows.models, config, used),
        since=since(totals, now),
        cycle_start=totals.cycle(now)[0] if config.cycle else None,
        cycle_end=None if (end := totals.cycle(now)[1]) == FOREVER else end,
        reset_id=totals.reset_id,
        ledger=ledger,
        problems=(
            *problems,
            *fold_problems({**totals.sums.flagged, **totals.seen.set_aside}),
            *name_problems({*rows.hidden, *spending.reserved}),
        ),
        minutes=totals.sums.minutes.pairs(uncached=config.count == "uncached"),
        warning=warning_message(config, used) if warning_due(config, used) else None,
        exceeded=_exceeded(rows.limited, rows.families),
        unasked=unasked,
        stale_at=_stale_at(totals, now),
    )


def cycle_rows(totals: Totals, config: BudgetConfig, prices: PriceBook, now: float) -> tuple[CycleRow, ...]:
    """Return every cycle with usage, and the present one, the latest first."""
    current = totals.cycle(now)[0]
    whole = {current: {}, **totals.whole_cycles()}
    return tuple(
        _cycle_row(totals.cycle(begin), begin == current, whole[begin], config, prices)
        for begin in sorted(whole, reverse=True)
    )


def _cycle_row(
    cycle: tuple[float, float], current: bool, groups: Groups, config: BudgetConfig, prices: PriceBook
) -> CycleRow:
    sums = sum_of(groups.values())
    return CycleRow(
        begin=cycle[0],
        end=cycle[1],
        current=current,
        used=config.counted(sums.total, sums.cached),
        prompt_tokens=sums.prompt,
        completion_tokens=sums.completion,
        cached_tokens=sums.cached,
        calls=sums.calls,
        cost_usd=cost_of(groups.items(), prices),
    )


def _stale_at(totals: Totals, now: float) -> float | None:
    expires, end = totals.holds.move_to(now).next_expiry, totals.cycle(now)[1]
    moments = [moment for moment in (expires, end) if moment is not None and moment != FOREVER]
    return min(moments, default=None)


def _exceeded(agents: tuple[AgentRow, ...], families: tuple[FamilyRow, ...]) -> tuple[str, ...]:
    return (
        *(row.agent_id for row in agents if row.state == "exceeded" and row.used),
        *(row.family for row in families if row.state == "exceeded" and row.used),
    )


Part = tuple[GroupKey, Sums]
"""The counted calls of an agent to a model at one price."""


def _grouped(parts: Groups, name_of: Callable[[GroupKey], str]) -> dict[str, list[Part]]:
    """Return the fold's groups by a part of their keys."""
    groups: dict[str, list[Part]] = {}
    for key, sums in parts.items():
        groups.setdefault(name_of(key), []).append((key, sums))
    return groups


def _agent_rows(
    groups: Groups, recent: Mapping[str, UsageByMinute], spending: BudgetUsage, config: BudgetConfig, prices: PriceBook
) -> tuple[AgentRow, ...]:
    rows = [
        agent_row(agent_id, part, recent.get(agent_id), spending, config, prices)
        for agent_id, part in agents_parts(groups, spending, config).items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.used, row.agent_id)))


def agents_parts(groups: Groups, spending: BudgetUsage, config: BudgetConfig) -> dict[str, list[Part]]:
    """Return the groups of each agent with usage, a reservation, or a limit."""
    parts = _grouped(groups, lambda key: key[0])
    for agent_id in spending.reserved:
        parts.setdefault(agent_id, [])
    present = {same_name(agent_id) for agent_id in parts} if config.per_agent_limits else set()
    for agent_id in config.per_agent_limits:
        if agent_id not in present and not agent_id.endswith("/*"):
            parts[agent_id] = []
    return parts


def agent_row(
    agent_id: str,
    parts: list[Part],
    recent: UsageByMinute | None,
    spending: BudgetUsage,
    config: BudgetConfig,
    prices: PriceBook,
) -> AgentRow:
    """Return an agent's row from groups and recent minutes."""
    sums = sum_of(part for _, part in parts)
    used = config.counted(sums.total, sums.cached)
    limit = own_limit(config, agent_id)
    # A limit holds for all forms of a name, each of which has its row.
    limited = used if limit is None else spending.by_name(agent_id)
    return AgentRow(
        agent_id=agent_id,
        used=used,
        reserved=spending.reserved.get(agent_id, 0),
        limit=limit,
        limited=limited,
        remaining=None if limit is None else max(0, limit - limited),
        usage_percentage=percentage(limited, limit),
        state=severity(limited, limit, config.warning_threshold),
        prompt_tokens=sums.prompt,
        completion_tokens=sums.completion,
        cached_tokens=sums.cached,
        calls=sums.calls,
        last_used=sums.last_used if sums.calls else None,
        cost_usd=cost_of(parts, prices),
        minutes=recent.pairs(uncached=config.count == "uncached") if recent else (),
    )


def _family_rows(agents: Iterable[AgentRow], config: BudgetConfig, minute: int) -> tuple[FamilyRow, ...]:
    members: dict[str, list[AgentRow]] = {key: [] for key in config.per_agent_limits if key.endswith("/*")}
    for row in agents if members else ():
        for family in families_of(same_name(row.agent_id)):
            if family in members:
                members[family].append(row)
    rows = (
        FamilySum(rows).row(family, config.per_agent_limits[family], config.warning_threshold, minute)
        for family, rows in members.items()
    )
    return tuple(sorted(rows, key=lambda row: (-row.used, row.family)))


def used_by(snapshot: Snapshot, agent_id: str | None = None) -> int | None:
    """Return the tokens of a reset of an agent, or of everyone; None if there is nothing to reset."""
    used = [row.used for row in snapshot.agents if row.calls and agent_id in (None, row.agent_id)]
    return sum(used) if used else None


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    whole = Decimal(0)
    for amount in amounts:
        whole = _EXACT.add(whole, amount)
    return whole


def model_rows(groups: Groups, config: BudgetConfig, prices: PriceBook) -> tuple[ModelRow, ...]:
    """Return a row for each model, most used first."""
    rows = []
    for model, parts in _grouped(groups, lambda key: key[1]).items():
        sums = sum_of(part for _, part in parts)
        rows.append(
            ModelRow(
                model=model,
                used=config.counted(sums.total, sums.cached),
                prompt_tokens=sums.prompt,
                completion_tokens=sums.completion,
                cached_tokens=sums.cached,
                cost_usd=cost_of(parts, prices),
                **_unpriced(parts, config, prices),
            )
        )
    return tuple(sorted(rows, key=lambda row: (-row.used, row.model)))


def price_advice(models: Iterable[ModelRow]) -> tuple[str, ...]:
    """Return advice on missing prices, a sentence for each kind."""
    rows = [row for row in models if row.unpriced]
    plain = [row.model for row in rows if not row.unknown_factors]
    factors = sorted({factor for row in rows for factor in row.unknown_factors})
    advice = []
    if plain:
        table = f'[token_budget.prices."{plain[0]}"]' if plain[0].isprintable() else '[token_budget.prices."MODEL"]'
        advice.append(f"Set a price in config.toml: {table} with prompt_per_1k and completion_per_1k.")
    if factors:
        advice.append(f'Set a factor in config.toml: [token_budget.price_factors] with "{factors[0]}" = NUMBER.')
    return tuple(advice)


def _unpriced(parts: Sequence[Part], config: BudgetConfig, prices: PriceBook) -> dict[str, Any]:
    unknown = [(key, sums) for key, sums in parts if prices.cost(key, sums) is None]
    priced = [(key, sums) for key, sums in unknown if prices.price(key[1]) is not None]
    factors = {factor for key, sums in priced for factor in prices.unknown_factors(key, sums)}
    tokens = sum(config.counted(sums.total, sums.cached) for _, sums in unknown)
    return {"unpriced_tokens": tokens, "unknown_factors": tuple(sorted(factors))}


def cost_of(parts: Iterable[Part], prices: PriceBook) -> Decimal | None:
    """Return the cost of all priced groups; None where something was used and nothing is priced."""
    cost, unknown = None, False
    for key, sums in parts:
        part = prices.cost(key, sums)
        if part is None:
            unknown = True
        else:
            cost = _EXACT.add(cost or Decimal(0), part)
    return cost if cost is not None or unknown else Decimal(0)


def _cost(models: Sequence[ModelRow], config: BudgetConfig, used: int) -> Cost:
    known = [row.cost_usd for row in models if row.cost_usd is not None]
    total = None if models and not known else _sum(known)
    unpriced = sum(row.unpriced_tokens for row in models)
    buffer = Decimal(str(config.untracked_buffer))
    whole = None
    if total is not None and config.total_budget and used > unpriced:
        whole = _EXACT.multiply(total, Decimal(config.total_budget)) / Decimal(used - unpriced)
    return Cost(
        total_usd=total,
        upper_usd=None if total is None else _EXACT.multiply(total, 1 + buffer / 100),
        budget_usd=whole,
        unpriced_tokens=unpriced,
    )


def _names_in(groups: Groups) -> set[str]:
    return {name for agent_id, model, *_ in groups for name in (agent_id, model)}

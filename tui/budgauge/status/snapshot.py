"""The one frozen Snapshot for monitor, status and RPC. None of these computes numbers."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from budgauge.accounting.accumulator import FOREVER
from budgauge.accounting.counters import Groups, sum_of
from budgauge.accounting.fold import Totals
from budgauge.accounting.limits import (
    BudgetUsage,
    Severity,
    percentage,
    severity,
    warning_at,
    warning_due,
    warning_message,
)
from budgauge.accounting.period import since
from budgauge.accounting.usage_by_minute import Pairs
from budgauge.config import BudgetConfig
from budgauge.pricing.price_book import PriceBook
from budgauge.status.cost import cost_of, total_cost
from budgauge.status.kept_rows import KeptRows, Rows
from budgauge.status.problems import Problem, fold_problems, name_problems
from budgauge.status.row import AgentRow, Cost, CycleRow, FamilyRow, ModelRow
from budgauge.status.unasked import UnaskedSession


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

    `rows` are the known rows of this moment; without them, all rows are built.
    """
    rows = rows or KeptRows.whole(totals, config, prices, now)
    usage = BudgetUsage.at(config, totals, now)
    used = usage.by_all()
    budget = config.total_budget or None
    return Snapshot(
        total_budget=config.total_budget,
        budget_is_default=budget_is_default,
        total_used=used,
        remaining_budget=None if budget is None else max(0, budget - used),
        reserved=totals.holds.tokens,
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
        cost=total_cost(rows.models, config, used),
        since=since(totals, now),
        cycle_start=totals.cycle(now)[0] if config.cycle else None,
        cycle_end=None if (end := totals.cycle(now)[1]) == FOREVER else end,
        reset_id=totals.reset_id,
        ledger=ledger,
        problems=(
            *problems,
            *fold_problems({**totals.sums.flagged, **totals.seen.set_aside}),
            *name_problems({*rows.hidden, *usage.reserved}),
        ),
        minutes=totals.sums.minutes.pairs(uncached=config.count == "uncached"),
        warning=warning_message(config, used) if warning_due(config, used) else None,
        exceeded=tuple(row.key for row in (*rows.limited, *rows.families) if row.state == "exceeded" and row.used),
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


def used_by(snapshot: Snapshot, agent_id: str | None = None) -> int | None:
    """Return the tokens of a reset of an agent, or of everyone; None if there is nothing to reset."""
    used = [row.used for row in snapshot.agents if row.calls and agent_id in (None, row.agent_id)]
    return sum(used) if used else None

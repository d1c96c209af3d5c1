"""The rows of a snapshot, kept from one to the next: the cost of a line does not grow with the ledger."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

import msgspec

from budgauge.accounting.counters import Counters, GroupKey, Sums, sum_of
from budgauge.accounting.family import families_of
from budgauge.accounting.fold import Totals
from budgauge.accounting.limits import BudgetUsage, own_limit, percentage, severity
from budgauge.accounting.usage_by_minute import UsageByMinute
from budgauge.config import BudgetConfig
from budgauge.config.name import hidden, same_name
from budgauge.pricing.price_book import PriceBook
from budgauge.status.cost import ModelSum, Part, Spent, cost_sum, most_used, spent_on
from budgauge.status.family_sum import FamilySum
from budgauge.status.row import ACTIVE_MINUTES, AgentRow, FamilyRow, ModelRow


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a snapshot."""

    agents: tuple[AgentRow, ...]
    limited: tuple[AgentRow, ...]
    active: tuple[AgentRow, ...]
    families: tuple[FamilyRow, ...]
    models: tuple[ModelRow, ...]
    hidden: tuple[str, ...]
    """Names with invisible characters."""


class _Basis(NamedTuple):
    """The basis of all rows: with any part changed, all rows are built again."""

    totals: Totals
    config: BudgetConfig
    prices: PriceBook
    counters: Counters
    lessons: int
    cuts: int

    @classmethod
    def at(cls, totals: Totals, config: BudgetConfig, prices: PriceBook, now: float) -> _Basis:
        """Return the basis at a moment in unix seconds."""
        counters = totals.at(now)
        return cls(totals, config, prices, counters, prices.lessons, counters.cuts)


class KeptRows:
    """The rows of one ledger's snapshots, for one thread at a time."""

    def __init__(self) -> None:
        self._basis: _Basis | None = None
        self._now = 0.0

    def take(self, totals: Totals, config: BudgetConfig, prices: PriceBook, now: float) -> Rows:
        """Return the rows at a moment in unix seconds; an earlier moment than the last builds all rows again.

        Takes the touched agents out of the totals: one of these keeps up with one fold.
        """
        basis = _Basis.at(totals, config, prices, now)
        touched, totals.sums.touched = totals.sums.touched, set()
        usage = BudgetUsage.at(config, totals, now)
        kept = self._basis == basis and now >= self._now
        minute, old_minute = int(now // 60), int(self._now // 60)
        self._now = now
        if not kept or not self._update(basis, usage, touched):
            self._build(basis, usage, minute)
        elif minute != old_minute:
            self._pass_minute(minute)
        self._basis = basis
        return self._rows(basis, minute)

    @classmethod
    def whole(cls, totals: Totals, config: BudgetConfig, prices: PriceBook, now: float) -> Rows:
        """Return all rows, built once from the fold."""
        rows, basis, minute = cls(), _Basis.at(totals, config, prices, now), int(now // 60)
        rows._build(basis, BudgetUsage.at(config, totals, now), minute)
        return rows._rows(basis, minute)

    def _build(self, basis: _Basis, usage: BudgetUsage, minute: int) -> None:
        limits = basis.config.per_agent_limits
        self._parts: dict[str, list[Part]] = {}
        self._seen = 0
        self._hidden: set[str] = set()
        self._agents: dict[str, AgentRow] = {}
        self._ranked: list[AgentRow] = []
        self._limited: set[str] = set()
        self._active: set[str] = set()
        self._since = minute - ACTIVE_MINUTES
        self._models: defaultdict[str, ModelSum] = defaultdict(ModelSum)
        self._spent: dict[GroupKey, Spent] = {}
        self._families = {key: FamilySum() for key in limits if key.endswith("/*")}
        self._family_rows: dict[str, FamilyRow] = {}
        self._changed_families, self._changed_models = set(self._families), set[str]()
        self._model_rows: dict[str, ModelRow] = {}
        self._take_groups(basis.counters)
        self._reserved = dict(usage.reserved)
        names = dict.fromkeys((*self._parts, *usage.reserved))
        present = set(map(same_name, names)) if limits else set()
        unused = (name for name in limits if name not in present and not name.endswith("/*"))
        for agent_id in (*names, *unused):
            self._put(agent_id, basis, usage, rank=False)
        self._ranked = sorted(self._agents.values(), key=_rank)

    def _take_groups(self, counters: Counters) -> set[str]:
        """Take in new groups; return their agents."""
        agents = set()
        for key, sums in islice(counters.groups.items(), self._seen, None):
            self._parts.setdefault(key[0], []).append((key, sums))
            self._hidden.update(name for name in key[:2] if hidden(name))
            agents.add(key[0])
        self._seen = len(counters.groups)
        return agents

    def _update(self, basis: _Basis, usage: BudgetUsage, touched: set[str]) -> bool:
        """Update the touched agents' rows; return False where all must be built again."""
        names = touched | self._take_groups(basis.counters)
        reserved = dict(usage.reserved)
        names.update(agent_id for agent_id, _ in reserved.items() ^ self._reserved.items())
        limits = basis.config.per_agent_limits
        for name in list(names) if limits else ():
            # A limit holds for all forms of a name; the first used form replaces the row of an unused name.
            names.update((*basis.counters.forms_of(name), same_name(name)))
        for name in names:
            here, unused = name in self._agents, name not in self._parts and name not in reserved
            if (here and unused and (name not in limits or name in self._reserved)) or (
                not here and not unused and limits and same_name(name) != name
            ):
                return False
            if here or not unused:
                self._put(name, basis, usage)
        self._reserved = reserved
        return True

    def _put(self, agent_id: str, basis: _Basis, usage: BudgetUsage, *, rank: bool = True) -> None:
        """Build an agent's row again, with the sums of families and models."""
        parts = self._parts.get(agent_id, [])
        old = self._agents.get(agent_id)
        cost = cost_sum([self._spend(key, sums, basis) for key, sums in parts])
        recent = basis.totals.sums.recent.get(agent_id)
        new = self._agents[agent_id] = agent_row(agent_id, parts, recent, cost, usage, basis.config)
        if rank:
            if old is not None:
                del self._ranked[bisect_left(self._ranked, _rank(old), key=_rank)]
            insort(self._ranked, new, key=_rank)
        if new.limit is not None:
            self._limited.add(agent_id)
        if new.minutes and new.minutes[-1][0] >= self._since:
            self._active.add(agent_id)
        else:
            self._active.discard(agent_id)
        for family in families_of(same_name(agent_id)) if self._families else ():
            if family in self._families:
                self._families[family].replace(old, new)
                self._changed_families.add(family)

    def _spend(self, key: GroupKey, sums: Sums, basis: _Basis) -> Decimal | None:
        """Add a group to the model's sums again; return the cost."""
        model = self._models[key[1]]
        if (old := self._spent.get(key)) is not None:
            model.add(old, -1)
        new = self._spent[key] = spent_on(key, sums, basis.config, basis.prices)
        model.add(new, 1)
        self._changed_models.add(key[1])
        return new.cost

    def _pass_minute(self, minute: int) -> None:
        """Drop agents no longer active."""
        self._since = minute - ACTIVE_MINUTES
        self._active = {name for name in self._active if self._agents[name].minutes[-1][0] >= self._since}
        self._changed_families.update(self._families)

    def _rows(self, basis: _Basis, minute: int) -> Rows:
        config = basis.config
        for family in self._changed_families:
            limit = config.per_agent_limits[family]
            self._family_rows[family] = self._families[family].row(family, limit, config.warning_threshold, minute)
        for model in self._changed_models:
            self._model_rows[model] = self._models[model].row(model)
        self._changed_families, self._changed_models = set(), set()
        agents = self._agents
        return Rows(
            agents=tuple(self._ranked),
            limited=tuple(sorted(map(agents.__getitem__, self._limited), key=_rank)),
            active=tuple(map(agents.__getitem__, sorted(self._active))),
            families=tuple(sorted(self._family_rows.values(), key=lambda row: (-row.used, row.family))),
            models=most_used(self._model_rows.values()),
            hidden=tuple(sorted(self._hidden)),
        )


def _rank(row: AgentRow) -> tuple[int, str]:
    return -row.used, row.agent_id


def agent_row(
    agent_id: str,
    parts: list[Part],
    recent: UsageByMinute | None,
    cost: Decimal | None,
    usage: BudgetUsage,
    config: BudgetConfig,
) -> AgentRow:
    """Return an agent's row from groups and recent minutes."""
    sums = sum_of(part for _, part in parts)
    used = config.counted(sums.total, sums.cached)
    limit = own_limit(config, agent_id)
    # A limit holds for all forms of a name, each of which has its row.
    limited = used if limit is None else usage.by_name(agent_id)
    return AgentRow(
        agent_id=agent_id,
        used=used,
        reserved=usage.reserved.get(agent_id, 0),
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
        cost_usd=cost,
        minutes=recent.pairs(uncached=config.count == "uncached") if recent else (),
    )

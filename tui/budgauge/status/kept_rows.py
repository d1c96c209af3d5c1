"""The rows of a snapshot, kept from one to the next: the cost of a line does not grow with the ledger."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from decimal import Context, Decimal
from itertools import islice
from typing import NamedTuple

from budgauge.accounting.counters import Counters, GroupKey, Sums
from budgauge.accounting.family import families_of
from budgauge.accounting.fold import Totals
from budgauge.accounting.limits import BudgetUsage
from budgauge.config import BudgetConfig
from budgauge.config.name import hidden, same_name
from budgauge.pricing.price_book import PriceBook
from budgauge.status.family_sum import FamilySum
from budgauge.status.row import AgentRow, FamilyRow, ModelRow
from budgauge.status.snapshot import ACTIVE_MINUTES, Part, Rows, agent_row, agents_parts

_EXACT = Context(prec=80)
_Rank = tuple[int, str]
"""(tokens used, negative; a name): the largest first."""


class _Basis(NamedTuple):
    """The basis of all rows: with any part changed, all rows are built again."""

    totals: Totals
    config: BudgetConfig
    prices: PriceBook
    counters: Counters
    lessons: int
    cuts: int

    def holds(self, other: _Basis) -> bool:
        """Return True if rows of this basis hold for the other, apart from new records."""
        same = all(one is two for one, two in zip(self[:4], other[:4], strict=True))
        return same and self[4:] == other[4:]


class KeptRows:
    """The rows of one ledger's snapshots, for one thread at a time."""

    def __init__(self) -> None:
        self._basis: _Basis | None = None
        self._now = 0.0

    def take(self, totals: Totals, config: BudgetConfig, prices: PriceBook, now: float) -> Rows:
        """Return the rows at a moment in unix seconds; an earlier moment than the last builds all rows again.

        Takes what was touched out of the totals: one of these keeps up with one fold.
        """
        counters = totals.at(now)
        basis = _Basis(totals, config, prices, counters, prices.lessons, counters.cuts)
        touched, totals.sums.touched = totals.sums.touched, set()
        spending = BudgetUsage.at(config, totals, now)
        kept = self._basis is not None and self._basis.holds(basis) and now >= self._now
        minute, old_minute = int(now // 60), int(self._now // 60)
        self._now = now
        if not kept or not self._update(basis, spending, touched):
            self._build(basis, spending, minute)
        elif minute != old_minute:
            self._pass_minute(minute)
        self._basis = basis
        return self._rows(minute)

    def _build(self, basis: _Basis, spending: BudgetUsage, minute: int) -> None:
        config, groups = basis.config, basis.counters.groups
        self._parts: dict[str, list[Part]] = {}
        self._seen = 0
        self._hidden: set[str] = set()
        self._agents: dict[str, AgentRow] = {}
        self._ranks: list[_Rank] = []
        self._ranked: list[AgentRow] = []
        self._limited: set[str] = set()
        self._active: set[str] = set()
        self._since = minute - ACTIVE_MINUTES
        self._models: dict[str, _ModelSum] = {}
        self._spent: dict[GroupKey, _Spent] = {}
        self._families = {key: FamilySum() for key in config.per_agent_limits if key.endswith("/*")}
        self._family_rows: dict[str, FamilyRow] = {}
        self._changed_families, self._changed_models = set(self._families), set[str]()
        self._model_rows: dict[str, ModelRow] = {}
        self._take_groups(basis.counters)
        self._reserved = dict(spending.reserved)
        for agent_id in agents_parts(groups, spending, config):
            self._put(agent_id, basis, spending, rank=False)
        self._ranked = sorted(self._agents.values(), key=_rank)
        self._ranks = [_rank(row) for row in self._ranked]

    def _take_groups(self, counters: Counters) -> set[str]:
        """Take in new groups; return their agents."""
        agents = set()
        for key, sums in islice(counters.groups.items(), self._seen, None):
            self._parts.setdefault(key[0], []).append((key, sums))
            self._hidden.update(name for name in key[:2] if hidden(name))
            agents.add(key[0])
        self._seen = len(counters.groups)
        return agents

    def _update(self, basis: _Basis, spending: BudgetUsage, touched: set[str]) -> bool:
        """Update the touched agents' rows; return False where all must be built again."""
        names = touched | self._take_groups(basis.counters)
        reserved = dict(spending.reserved)
        names.update(agent_id for agent_id, _ in reserved.items() ^ self._reserved.items())
        limits = basis.config.per_agent_limits
        for name in list(names) if limits else ():
            # A limit holds for all forms of a name, and the row of one that nobody used goes with the first.
            names.update((*basis.counters.forms_of(name), same_name(name)))
        for name in names:
            here, unused = name in self._agents, name not in self._parts and name not in reserved
            if (here and unused and (name not in limits or name in self._reserved)) or (
                not here and not unused and limits and same_name(name) != name
            ):
                return False
            if here or not unused:
                self._put(name, basis, spending)
        self._reserved = reserved
        return True

    def _put(self, agent_id: str, basis: _Basis, spending: BudgetUsage, *, rank: bool = True) -> None:
        """Build an agent's row again, with the sums of families and models."""
        parts = self._parts.get(agent_id, [])
        old = self._agents.get(agent_id)
        new = agent_row(agent_id, parts, basis.totals.sums.recent.get(agent_id), spending, basis.config, basis.prices)
        self._agents[agent_id] = new
        if rank:
            if old is not None:
                place = bisect_left(self._ranks, _rank(old))
                del self._ranks[place], self._ranked[place]
            place = bisect_left(self._ranks, _rank(new))
            self._ranks.insert(place, _rank(new))
            self._ranked.insert(place, new)
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
        for key, sums in parts:
            self._count(key, sums, basis)

    def _count(self, key: GroupKey, sums: Sums, basis: _Basis) -> None:
        model = self._models.setdefault(key[1], _ModelSum())
        if (old := self._spent.get(key)) is not None:
            model.add(old, -1)
        new = self._spent[key] = _spent(key, sums, basis.config, basis.prices)
        model.add(new, 1)
        self._changed_models.add(key[1])

    def _pass_minute(self, minute: int) -> None:
        """Drop agents no longer active."""
        self._since = minute - ACTIVE_MINUTES
        self._active = {name for name in self._active if self._agents[name].minutes[-1][0] >= self._since}
        self._changed_families.update(self._families)

    def _rows(self, minute: int) -> Rows:
        assert self._basis is not None
        config = self._basis.config
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
            models=tuple(sorted(self._model_rows.values(), key=lambda row: (-row.used, row.model))),
            hidden=tuple(sorted(self._hidden)),
        )


def _rank(row: AgentRow) -> _Rank:
    return -row.used, row.agent_id


class _Spent(NamedTuple):
    """One group's part in a model's sums."""

    used: int
    prompt: int
    completion: int
    cached: int
    cost: Decimal | None
    factors: tuple[str, ...]


def _spent(key: GroupKey, sums: Sums, config: BudgetConfig, prices: PriceBook) -> _Spent:
    cost = prices.cost(key, sums)
    unknown = cost is None and prices.price(key[1]) is not None
    factors = prices.unknown_factors(key, sums) if unknown else ()
    return _Spent(config.counted(sums.total, sums.cached), sums.prompt, sums.completion, sums.cached, cost, factors)


class _ModelSum:
    """The sums of a model's groups."""

    def __init__(self) -> None:
        self._tokens = [0] * 4
        self._cost, self._priced = Decimal(0), 0
        self._unpriced, self._unpriced_tokens = 0, 0
        self._factors: Counter[str] = Counter()

    def add(self, spent: _Spent, sign: int) -> None:
        """Add a group's part, or with -1 subtract."""
        self._tokens = [whole + sign * part for whole, part in zip(self._tokens, spent[:4], strict=True)]
        if spent.cost is None:
            self._unpriced += sign
            self._unpriced_tokens += sign * spent.used
            for factor in spent.factors:
                self._factors[factor] += sign
        else:
            self._priced += sign
            self._cost = _EXACT.add(self._cost, _EXACT.multiply(spent.cost, sign))

    def row(self, model: str) -> ModelRow:
        """Return the model's row."""
        used, prompt, completion, cached = self._tokens
        return ModelRow(
            model=model,
            used=used,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=cached,
            cost_usd=None if self._unpriced and not self._priced else self._cost,
            unpriced_tokens=self._unpriced_tokens,
            unknown_factors=tuple(sorted(+self._factors)),
        )

"""The rules: admission, refusal, and the distance to the end of the budget."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, Context, Decimal
from typing import Literal

from budgauge.accounting.counters import Counters
from budgauge.accounting.family import families_of, members_of
from budgauge.accounting.fold import Totals
from budgauge.accounting.open_reservations import OpenReservations
from budgauge.accounting.records import Usage
from budgauge.accounting.usage_sums import counted_parts
from budgauge.config import BudgetConfig
from budgauge.config.name import same_name
from budgauge.errors import AgentLimitExceededError, BudgetExceededError, RefusedError
from budgauge.text import percent

_EXACT = Context(prec=80)

Severity = Literal["ok", "warning", "exceeded"]


class BudgetUsage:
    """Counted tokens, used and reserved, as the rules see them."""

    def __init__(self, config: BudgetConfig, counters: Counters, reservations: OpenReservations) -> None:
        self.config = config
        self._counters = counters
        self._holds = reservations
        self.reserved = reservations.by_agent
        """Reserved tokens by agent; only agents with reservations."""

    @classmethod
    def at(cls, config: BudgetConfig, totals: Totals, now: float, *, unbooked: Iterable[Usage] = ()) -> BudgetUsage:
        """Return the usage at a moment (unix seconds), in its cycle and with its reservations.

        `unbooked` are calls that the ledger lacks: those of the cycle count as if they stood in it.
        """
        counters = totals.at(now)
        begin, end = totals.cycle(now)
        missing = [usage for usage in unbooked if begin <= usage.timestamp < end]
        return cls(config, _with(counters, missing) if missing else counters, totals.holds.move_to(now))

    @property
    def agents(self) -> Iterable[str]:
        """Every agent with usage."""
        return self._counters.spent

    def by_all(self) -> int:
        """Used by everyone."""
        return self.config.counted(*self._counters.spent_by_all)

    def by_agent(self, agent_id: str) -> int:
        """Used by this agent alone."""
        return self.config.counted(*self._counters.spent.get(agent_id, (0, 0)))

    def by_name(self, name: str) -> int:
        """Used by the agents whose names are the same as this one, however their accents are written."""
        return sum(map(self.by_agent, self._counters.forms_of(name)))

    def form_of(self, name: str) -> str:
        """Return the recorded form of a name: the name, or another form of the name with all the usage."""
        forms = self._counters.forms_of(name)
        return forms[0] if forms and name not in forms else name

    def by_family(self, family: str) -> int:
        """Return the usage of a family, given by key: `a/*` is the agent `a` and all agents below."""
        return sum(self.config.counted(*self._counters.spent[agent]) for agent in members_of(family, self.agents))

    def taken_by_all(self) -> int:
        """Used and reserved by everyone."""
        return self.by_all() + self._holds.tokens

    def taken_by_agent(self, agent_id: str) -> int:
        """Return the used and reserved tokens of this agent alone, in all forms of the name."""
        return self.by_name(agent_id) + self._holds.by_name.get(same_name(agent_id), 0)

    def taken_by_family(self, family: str) -> int:
        """Used and reserved by a family."""
        return self.by_family(family) + self._holds.by_family.get(same_name(family), 0)


def _with(counters: Counters, calls: Iterable[Usage]) -> Counters:
    """A cycle's spending with these calls added."""
    whole = counters.spending()
    for usage in calls:
        whole.spend(usage.agent_id, *counted_parts(usage))
    return whole


def own_limit(config: BudgetConfig, agent_id: str) -> int | None:
    """Return the limit of this id alone; None without one. `a/*` is a family, also beside an agent of this id."""
    return None if agent_id.endswith("/*") else config.per_agent_limits.get(same_name(agent_id))


def refusal(config: BudgetConfig, used: BudgetUsage, agent_id: str, requested: int) -> RefusedError | None:
    """Why `requested` counted tokens more are refused, or None if they are admitted.

    In this order: the agent's own limit, each family's above it, the total. Exactly at a
    limit is admitted.
    """
    limits = config.per_agent_limits
    limit = own_limit(config, agent_id)
    if limit is not None and (current := used.taken_by_agent(agent_id)) + requested > limit:
        return AgentLimitExceededError(agent_id, limit=limit, current=current, requested=requested)
    for family in families_of(same_name(agent_id)) if limits else ():
        limit = limits.get(family)
        if limit is not None and (current := used.taken_by_family(family)) + requested > limit:
            return AgentLimitExceededError(family, limit=limit, current=current, requested=requested)
    if config.total_budget and (current := used.taken_by_all()) + requested > config.total_budget:
        return BudgetExceededError(limit=config.total_budget, current=current, requested=requested)
    return None


def percentage(used: int, limit: int | None) -> float | None:
    """Percent of a limit; None without a limit, 100 where nothing is allowed."""
    if limit is None:
        return None
    return used * 100 / limit if limit else 100.0


def severity(used: int, limit: int | None, threshold: float) -> Severity:
    """`exceeded` when nothing is left, `warning` from the threshold (percent) on."""
    if limit is None:
        return "ok"
    if used >= limit:
        return "exceeded"
    return "warning" if used and used >= reaches_at(limit, threshold) else "ok"


def warning_due(config: BudgetConfig, used: int) -> bool:
    """Does usage stand at or over the warning threshold of the total?"""
    return bool(config.total_budget) and used >= warning_at(config)


def warning_at(config: BudgetConfig) -> float:
    """Return the least number of used tokens at the warning threshold of the total; infinite without a total."""
    if not config.total_budget:
        return float("inf")
    # A threshold of 0 is reached by the first token, not by none.
    return max(1, reaches_at(config.total_budget, config.warning_threshold))


def reaches_at(limit: int, threshold: float) -> int:
    """Return the least number of tokens at a threshold (percent) of a limit."""
    product = _EXACT.multiply(limit, Decimal(str(threshold)))
    return int(_EXACT.divide(product, 100).to_integral_value(ROUND_CEILING))


def warning_message(config: BudgetConfig, used: int) -> str:
    """The warning, to the letter."""
    share = percent(used * 100 / config.total_budget).replace(",", "")
    return f"Token budget warning: {share} used ({used} / {config.total_budget})"

"""The rows of a snapshot: agents, families, models, cycles, and the cost."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

import msgspec

from budgauge.accounting.limits import Severity
from budgauge.accounting.usage_by_minute import Pairs

ACTIVE_MINUTES = 11
"""Minutes after the last usage in which an agent's row changes by time alone."""


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One agent or one family since the last reset. Used, reserved and remaining are counted tokens."""

    used: int
    reserved: int
    limit: int | None
    """None means no limit of its own."""
    limited: int
    """Tokens toward the limit: `used`, and an agent's use under other forms of the name."""
    remaining: int | None
    usage_percentage: float | None
    """Percent of the limit; None without one."""
    state: Severity
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    calls: int
    last_used: float | None
    """Unix seconds of the latest call."""
    cost_usd: Decimal | None
    """The cost of all priced calls; None where something was used and nothing is priced."""
    minutes: Pairs
    """(unix minute, counted tokens) of the latest minutes with usage, resets or not."""
    is_family: ClassVar[bool] = False

    @property
    def key(self) -> str:
        """The agent's id or the family's key, as in the ledger."""
        raise NotImplementedError


class AgentRow(UsageRow, frozen=True, kw_only=True):
    """One agent, without the rest of the family."""

    agent_id: str

    @property
    def key(self) -> str:
        """The agent's id."""
        return self.agent_id


class FamilyRow(UsageRow, frozen=True, kw_only=True):
    """A family: an agent and everything below, together. A snapshot's families have limits."""

    family: str
    """The key, such as `claude-code/*`."""
    is_family = True

    @property
    def key(self) -> str:
        """The family's key."""
        return self.family


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One model since the last reset."""

    model: str
    used: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cost_usd: Decimal | None
    """The cost of all priced calls; None where something was used and nothing is priced."""
    unpriced_tokens: int = 0
    """Counted tokens without a known price."""
    unknown_factors: tuple[str, ...] = ()
    """Missing keys of `[token_budget.price_factors]`; empty where the model has no price."""

    @property
    def unpriced(self) -> str:
        """The unpriced part: the model, or the calls with these factors; empty if all is priced."""
        if not self.unpriced_tokens and self.cost_usd is not None:
            return ""
        return f"{self.model} ({', '.join(self.unknown_factors)})" if self.unknown_factors else self.model


class CycleRow(msgspec.Struct, frozen=True, kw_only=True):
    """The usage of one cycle, resets or not."""

    begin: float
    """The cycle's first unix second."""
    end: float
    """The first unix second after the cycle."""
    current: bool
    used: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    calls: int
    cost_usd: Decimal | None
    """None where something was used and nothing is priced."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """The exact cost in US dollars."""

    total_usd: Decimal | None
    """The cost of all priced calls; None where something was used and nothing is priced."""
    upper_usd: Decimal | None
    """With `untracked_buffer`, for tokens no one reports."""
    budget_usd: Decimal | None
    """The whole budget at the mean price so far; None if unlimited or nothing is priced."""
    unpriced_tokens: int
    """Counted tokens without a known price."""

"""The rows of the table of agents: families with a limit first, then every agent."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from budgauge.budget import Severity, percentage
from budgauge.monitor.sign import GLYPHS, NO_LIMIT, NO_LIMIT_GLYPH
from budgauge.snapshot import AgentRow, FamilyRow, Snapshot
from budgauge.text import safe, short


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table, ready to be laid out."""

    key: str
    """The agent's id or the family's key, as it is in the ledger."""
    name: str
    """The same, safe to show."""
    is_family: bool
    used: int
    reserved: int
    """Held for calls to come; 0 for a family: its agents' rows have them."""
    limit: int | None
    part: float
    """Percent: of the limit, or of everyone's total where there is none."""
    state: Severity
    cost: Decimal | None
    calls: int | None
    """None for a family: its agents' rows have them."""
    last_used: float | None

    @property
    def sign(self) -> str:
        """The glyph of its state."""
        return NO_LIMIT_GLYPH if self.limit is None else GLYPHS[self.state]

    @property
    def state_word(self) -> str:
        """The word of its state."""
        return NO_LIMIT if self.limit is None else self.state

    @property
    def of(self) -> str:
        """What `part` is a part of."""
        return "of used" if self.limit is None else f"of {short(self.limit)}"


def table_rows(snapshot: Snapshot) -> tuple[Row, ...]:
    """Every row there is."""
    return (*map(_family, snapshot.families), *map(_agent, snapshot.agents))


def _family(row: FamilyRow) -> Row:
    return Row(
        key=row.family,
        name=safe(row.family),
        is_family=True,
        used=row.used,
        reserved=0,
        limit=row.limit,
        part=percentage(row.used, row.limit) or 0.0,
        state=row.state,
        cost=None,
        calls=None,
        last_used=None,
    )


def _agent(row: AgentRow) -> Row:
    return Row(
        key=row.agent_id,
        name=safe(row.agent_id),
        is_family=False,
        used=row.used,
        reserved=row.reserved,
        limit=row.limit,
        part=row.share if row.usage_percentage is None else row.usage_percentage,
        state=row.state,
        cost=row.cost_usd,
        calls=row.calls,
        last_used=row.last_used,
    )

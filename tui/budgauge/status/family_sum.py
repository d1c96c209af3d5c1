"""The sums of a family's agents, updated row by row: one agent's change costs the same in any family."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal

from budgauge.accounting.limits import percentage, severity
from budgauge.accounting.usage_sums import KEPT_RECENT
from budgauge.status.row import AgentRow, FamilyRow

_EXACT = Context(prec=80)
_KEPT_MINUTES = 4 * KEPT_RECENT
"""The most minutes kept before old ones are dropped."""


class FamilySum:
    """The sums of a family's agents."""

    def __init__(self, members: Iterable[AgentRow] = ()) -> None:
        self.members = 0
        """The number of agents."""
        self._tokens = [0] * 6
        self._cost, self._priced, self._called = Decimal(0), 0, 0
        self._last: dict[str, float] = {}
        self._minutes: dict[int, tuple[int, int]] = {}
        """unix minute → (tokens, agents with usage)."""
        for row in members:
            self.replace(None, row)

    def replace(self, old: AgentRow | None, new: AgentRow | None) -> None:
        """Replace an agent's old row by the new one; None where there is none."""
        for row, sign in ((old, -1), (new, 1)):
            if row is not None:
                self._add(row, sign)
        if new is None and old is not None:
            self._last.pop(old.agent_id, None)
        before, after = (() if row is None else row.minutes for row in (old, new))
        if before is not after:
            self._change_minutes(set(before), set(after))

    def _add(self, row: AgentRow, sign: int) -> None:
        self.members += sign
        parts = (row.used, row.reserved, row.prompt_tokens, row.completion_tokens, row.cached_tokens, row.calls)
        self._tokens = [whole + sign * part for whole, part in zip(self._tokens, parts, strict=True)]
        if row.calls:
            self._called += sign
            if row.cost_usd is not None:
                self._priced += sign
                self._cost = _EXACT.add(self._cost, row.cost_usd * sign)
        if row.last_used is not None:
            self._last[row.agent_id] = row.last_used
        else:
            self._last.pop(row.agent_id, None)

    def _change_minutes(self, before: set[tuple[int, int]], after: set[tuple[int, int]]) -> None:
        for changed, sign in ((before - after, -1), (after - before, 1)):
            for minute, tokens in changed:
                whole, agents = self._minutes.get(minute, (0, 0))
                self._minutes[minute] = (whole + sign * tokens, agents + sign)

    def row(self, family: str, limit: int | None, threshold: float, minute: int) -> FamilyRow:
        """Return the family's row at a unix minute; `threshold` in percent."""
        used, reserved, prompt, completion, cached, calls = self._tokens
        return FamilyRow(
            family=family,
            used=used,
            reserved=reserved,
            limit=limit,
            limited=used,
            remaining=None if limit is None else max(0, limit - used),
            usage_percentage=percentage(used, limit),
            state=severity(used, limit, threshold),
            prompt_tokens=prompt,
            completion_tokens=completion,
            cached_tokens=cached,
            calls=calls,
            last_used=max(self._last.values(), default=None),
            cost_usd=None if self._called and not self._priced else self._cost,
            minutes=self._recent(minute - KEPT_RECENT),
        )

    def _recent(self, since: int) -> tuple[tuple[int, int], ...]:
        if len(self._minutes) > _KEPT_MINUTES:
            # A subtraction from a dropped minute leaves fewer than no agents; such a minute is not shown.
            self._minutes = {minute: spent for minute, spent in self._minutes.items() if minute >= since}
        recent = ((minute, spent) for minute, spent in self._minutes.items() if minute >= since)
        return tuple(sorted((minute, tokens) for minute, (tokens, agents) in recent if agents > 0))

"""The public field names of a snapshot, for `status --json`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from budgauge.status.row import CycleRow
from budgauge.status.snapshot import Snapshot


def to_json(snapshot: Snapshot, cycles: Sequence[CycleRow] | None = None, user: Snapshot | None = None) -> str:
    """Return the snapshot as ASCII JSON with the public field names; money as unrounded decimal text.

    With `cycles`, they are a field more. `user` is the user's own budget, where the snapshot is a project's.
    """
    import json

    more: dict[str, Any] = {"user_budget": None if user is None else _user_budget(user)}
    if cycles is not None:
        more["cycles"] = _pick(cycles, _CYCLE)
    return json.dumps({**status_fields(snapshot), **more}, indent=2)


def status_fields(snapshot: Snapshot) -> dict[str, Any]:
    """Return the public fields of a snapshot as plain values."""
    cost = snapshot.cost
    return {
        "total_budget": snapshot.total_budget,
        "total_used": snapshot.total_used,
        "remaining_budget": snapshot.remaining_budget,
        "reserved": snapshot.reserved,
        "usage_percentage": snapshot.usage_percentage,
        "warning_threshold": snapshot.warning_threshold,
        "state": snapshot.state,
        "agent_totals": snapshot.agent_totals,
        "agents": _pick(snapshot.agents, _AGENT),
        "families": _pick(snapshot.families, ("family", "used", "limit", "remaining", "state")),
        "models": _pick(snapshot.models, _MODEL),
        "cost": {
            "total_usd": _exact(cost.total_usd),
            "upper_usd": _exact(cost.upper_usd),
            "budget_usd": _exact(cost.budget_usd),
            "unpriced_tokens": cost.unpriced_tokens,
        },
        "since": snapshot.since,
        "cycle_start": snapshot.cycle_start,
        "cycle_end": snapshot.cycle_end,
        "reset_id": snapshot.reset_id,
        "ledger": snapshot.ledger,
        "problems": _pick(snapshot.problems, ("kind", "count", "message")),
        "unasked": _pick(snapshot.unasked, ("session", "agent_id", "used")),
    }


_USER = ("total_budget", "total_used", "remaining_budget", "reserved", "usage_percentage", "state", "since", "ledger")


def _user_budget(user: Snapshot) -> dict[str, Any]:
    """Return the public fields of the user's own budget."""
    return {name: getattr(user, name) for name in _USER}


_AGENT = (
    *("agent_id", "used", "reserved", "limit", "remaining", "usage_percentage", "state"),
    *("prompt_tokens", "completion_tokens", "cached_tokens", "calls", "last_used", "cost_usd"),
)
_CYCLE = (
    *("begin", "end", "current", "used"),
    *("prompt_tokens", "completion_tokens", "cached_tokens", "calls", "cost_usd"),
)
_MODEL = ("model", "used", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd")


def _pick(rows: Sequence[object], fields: Sequence[str]) -> list[dict[str, Any]]:
    return [{field: _exact(getattr(row, field)) for field in fields} for row in rows]


def _exact(value: Any) -> Any:
    """Return money as decimal text without exponent and trailing zeros; any other value unchanged."""
    if not isinstance(value, Decimal):
        return value
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

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

    more: dict[str, Any] = {"user_budget": None if user is None else _fields(user, _USER)}
    if cycles is not None:
        more["cycles"] = _rows(cycles, _CYCLE)
    return json.dumps({**status_fields(snapshot), **more}, indent=2)


def status_fields(snapshot: Snapshot) -> dict[str, Any]:
    """Return the public fields of a snapshot as plain values."""
    return {
        **_fields(snapshot, _TOTAL),
        "agents": _rows(snapshot.agents, _AGENT),
        "families": _rows(snapshot.families, ("family", "used", "limit", "remaining", "state")),
        "models": _rows(snapshot.models, _MODEL),
        "cost": _fields(snapshot.cost, ("total_usd", "upper_usd", "budget_usd", "unpriced_tokens")),
        **_fields(snapshot, ("since", "cycle_start", "cycle_end", "reset_id", "ledger")),
        "problems": _rows(snapshot.problems, ("kind", "count", "message")),
        "unasked": _rows(snapshot.unasked, ("session", "agent_id", "used")),
    }


_USER = ("total_budget", "total_used", "remaining_budget", "reserved", "usage_percentage", "state", "since", "ledger")
"""The fields of the user's own budget beside a project's."""
_TOTAL = (
    *("total_budget", "total_used", "remaining_budget", "reserved", "usage_percentage"),
    *("warning_threshold", "state", "agent_totals"),
)
_AGENT = (
    *("agent_id", "used", "reserved", "limit", "remaining", "usage_percentage", "state"),
    *("prompt_tokens", "completion_tokens", "cached_tokens", "calls", "last_used", "cost_usd"),
)
_CYCLE = (
    *("begin", "end", "current", "used"),
    *("prompt_tokens", "completion_tokens", "cached_tokens", "calls", "cost_usd"),
)
_MODEL = ("model", "used", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd")


def _rows(rows: Sequence[object], names: Sequence[str]) -> list[dict[str, Any]]:
    return [_fields(row, names) for row in rows]


def _fields(source: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: _exact(getattr(source, name)) for name in names}


def _exact(value: Any) -> Any:
    """Return money as decimal text without exponent and trailing zeros; any other value unchanged."""
    if not isinstance(value, Decimal):
        return value
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

"""The sort orders of agents and families."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

from budgauge.accounting.forecast import rate_now, reached
from budgauge.monitor.language import mark, tr
from budgauge.status.row import UsageRow

Order = Literal["used", "share", "rate", "cost", "last", "name", "wall"]
"""`share` is the part of the limit; `wall` puts the one first that reaches its limit first."""
ORDERS: tuple[Order, ...] = get_args(Order)
_WORDS: dict[Order, str] = {
    "used": mark("tokens used"),
    "share": mark("share of the limit"),
    "rate": mark("tokens a minute"),
    "cost": mark("cost"),
    "last": mark("last seen"),
    "name": mark("name"),
    "wall": mark("first to reach the limit"),
}
MOVING: frozenset[Order] = frozenset({"rate", "wall"})
"""Orders that change by time alone."""

Key = tuple[float, str]


def order_words(order: Order, *, reverse: bool = False) -> str:
    """Return an order in words."""
    return tr("{order}, reversed", order=tr(_WORDS[order])) if reverse else tr(_WORDS[order])


def order_key(order: Order, now: float) -> Callable[[UsageRow], Key]:
    """Return a sort key, smallest first, at a moment in unix seconds: the most, fastest or latest come first."""

    def share(source: UsageRow) -> float:
        # Rows without a limit come last, the most used first: a share of the total is no part of a limit.
        return -source.usage_percentage if source.usage_percentage is not None else 1 / (1 + source.used)

    def wall(source: UsageRow) -> float:
        if source.remaining is None:
            return math.inf
        eta = reached(source.minutes, now, source.remaining)
        if eta is None:
            return 0.0 if source.state == "exceeded" and source.used else math.inf
        return eta.expected

    values: dict[Order, Callable[[UsageRow], float]] = {
        "used": lambda source: -source.used,
        "share": share,
        "rate": lambda source: -float(rate_now(source.minutes, now)) if source.minutes else 0.0,
        "cost": lambda source: 1.0 if source.cost_usd is None else -float(source.cost_usd),
        "last": lambda source: 0.0 if source.last_used is None else -source.last_used,
        "name": lambda source: 0.0,
        "wall": wall,
    }
    value = values[order]
    return lambda source: (value(source), source.key)

"""Since when the counters run. Pure; reads no clock."""

from __future__ import annotations

from budgauge.accounting.fold import Totals


def since(totals: Totals, now: float) -> float | None:
    """Unix seconds since when the counters run: the last reset of everyone or the cycle's beginning, if any."""
    begin = totals.cycle(now)[0] or None
    reset = totals.last_reset()
    if reset is None or (begin is not None and reset.timestamp < begin):
        return begin
    return reset.timestamp

"""Since when the counters run. Pure; reads no clock."""

from __future__ import annotations

from budgauge.accounting.fold import Totals


def since(totals: Totals, now: float) -> float | None:
    """Unix seconds since when the counters run: the last reset of everyone or the cycle's beginning, if any."""
    begin = totals.cycle(now)[0] or None
    reset = last_reset_at(totals, now)
    return begin if reset is None or (begin is not None and reset < begin) else reset


def last_reset_at(totals: Totals, now: float) -> float | None:
    """Unix seconds of the last reset of everyone; None if there was none.

    A reset cannot have been made after `now`. One that is dated so is taken for as old as the latest
    record before it, and None is returned where nothing before it tells: otherwise it would hide every call.
    """
    reset = totals.last_reset()
    if reset is None:
        return None
    if reset.timestamp <= now:
        return reset.timestamp
    known: list[float] = []
    for earlier in totals.resets[: totals.resets.index(reset) + 1]:
        known.append(earlier.timestamp)
        known += (sums.last_used for groups in earlier.groups.values() for sums in groups.values())
    return max((moment for moment in known if moment <= now), default=None)

"""The doctor's check of records dated in the future."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from budgauge.accounting.fold import Totals
from budgauge.config.load import Loaded
from budgauge.doctor.finding import Finding, ok, warn
from budgauge.files.cache import cache_folder
from budgauge.ledger.ledger import Ledger
from budgauge.text import plural, safe

SKEW_SECONDS = 60.0
"""Clocks may differ by so much."""


def dates(loaded: Loaded) -> Finding:
    """Find resets and calls dated in the future."""
    ledger = Ledger(loaded.ledger.path, cycle=loaded.config.cycle, cache=cache_folder(), keeps_cache=False)
    ledger.refresh()
    odd = _future(ledger.totals, time.time() + SKEW_SECONDS)
    if not odd:
        return ok("no record is dated in the future")
    fix = "Check the clock of whatever wrote them. budgauge reset writes a reset with the right date."
    return warn("; ".join(odd), fix)


def _future(totals: Totals, now: float) -> list[str]:
    odd: list[str] = []
    resets = [reset.timestamp for reset in totals.resets if reset.timestamp > now]
    if resets:
        what = "1 reset is" if len(resets) == 1 else f"{plural(len(resets), 'reset')} are"
        place = "where it stands in the ledger" if len(resets) == 1 else "where they stand in the ledger"
        odd.append(f"{what} dated in the future ({_day(max(resets))}); the counters begin anew {place}")
    late: dict[str, float] = {}
    for groups in totals.whole_cycles().values():
        for (agent_id, *_), sums in groups.items():
            if sums.last_used > now:
                late[agent_id] = max(sums.last_used, late.get(agent_id, 0.0))
    if late:
        agent_id, latest = max(late.items(), key=lambda item: item[1])
        more = f" and {plural(len(late) - 1, 'more agent')}" if len(late) > 1 else ""
        odd.append(f"calls of {safe(agent_id)}{more} are dated in the future ({_day(latest)})")
    return odd


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).date().isoformat()

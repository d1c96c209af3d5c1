"""Many processes on one ledger under tight limits: nothing over them, and what was acknowledged is what counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from budgauge.tracker.tracker import TokenBudgetTracker
from faults.crew import MOST_TOKENS, Limits, Outcome, Worker, fold, run_to_end


def test_nothing_goes_over_the_limits(
    ledger: Path, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    processes, reports = sized(4, 16), sized(100, 2000)
    limits = Limits.tight(processes, reports)
    watching = TokenBudgetTracker(limits.config, ledger=ledger)
    workers = [Worker(ledger, name, reports, limits.config) for name in limits.names]
    try:
        for worker in workers:
            worker.start()
        run_to_end(workers)
    finally:
        for worker in workers:
            worker.stop()
    acknowledged = [note for worker in workers for note in worker.acknowledged()]
    refused = Counter(note.split()[1] for worker in workers for note in worker.notes() if note.startswith("refused"))
    for text in ledger.read_bytes().split(b"\n")[:-1]:
        json.loads(text)
    outcome = Outcome.of(ledger)
    assert (outcome.faults, limits.over(outcome.used)) == (0, [])
    assert outcome.ids == Counter(acknowledged)
    assert fold(ledger) == outcome.used == watching.get_all_agent_totals()
    assert len(acknowledged) + refused.total() == processes * reports
    assert refused["total"]
    budget, used = limits.config.total_budget, watching.get_total_used()
    assert budget - MOST_TOKENS < used <= budget, "all but what no call fits into"
    figure(
        f"contention: {processes} processes x {reports:,} reports, 0 over the limits, "
        f"fold = acknowledged = {len(acknowledged):,} reports = {used:,} of {budget:,} tokens; refused: "
        + ", ".join(f"{count:,} by {scope}" for scope, count in sorted(refused.items()))
    )

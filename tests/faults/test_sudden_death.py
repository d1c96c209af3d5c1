"""Processes killed at random moments, some in the middle of a write: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from budgauge.ledger.lock import holder
from faults.crew import Limits, Outcome, Worker, fold, run_to_end, wait_until
from usage import locked

RETRIED = 20
"""How many of the reports answered before are made again in the next life."""


class Slaughter:
    """Kills workers and lets them begin again; each life is given its share of the reports."""

    def __init__(self, ledger: Path, workers: list[Worker], kills: int, torn: int) -> None:
        self._ledger = ledger
        self._workers = workers
        self._kills = kills
        self._chance = random.Random(kills)
        self._torn = set(self._chance.sample(range(max(1, kills // 2)), torn))
        """Which kills are in the middle of a write: early ones, while the budget still lets something be written."""
        self._share = RETRIED + workers[0].reports * len(workers) // kills

    def run(self) -> None:
        for worker in self._workers:
            self._live(worker)
        for kill in range(self._kills):
            if kill in self._torn:
                self._kill_in_a_write(self._chance.choice([w for w in self._workers if w.name.startswith("other")]))
            else:
                self._kill_at_any_moment(self._chance.choice(self._workers))

    def _live(self, worker: Worker, **torn: int) -> None:
        first = max(0, worker.next_report - RETRIED)
        worker.start(first, min(worker.reports, first + self._share), again=True, **torn)

    def _kill_at_any_moment(self, worker: Worker) -> None:
        wait_until(lambda: worker.has_reported)
        time.sleep(self._chance.uniform(0, 0.01))
        self._free(worker.kill())
        self._live(worker)

    def _kill_in_a_write(self, worker: Worker) -> None:
        worker.stop()
        self._live(worker, torn_at=worker.next_report, cut=self._chance.randrange(1000))
        wait_until(lambda: worker.is_torn)
        self._free(worker.kill())
        self._live(worker)

    def _free(self, dead: int) -> None:
        with self._ledger.open("rb") as file:
            assert holder(file.fileno()) != f"process {dead}", "the dead still hold the lock"


def test_nothing_acknowledged_is_lost_or_doubled(
    ledger: Path, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    processes, reports, kills, torn = sized(4, 16), sized(100, 2000), sized(8, 200), sized(2, 20)
    limits = Limits.tight(processes, reports)
    workers = [Worker(ledger, name, reports, limits.config) for name in limits.names]
    slaughter = Slaughter(ledger, workers, kills, torn)
    try:
        slaughter.run()
        for worker in workers:
            worker.stop()
        before = {note for worker in workers for note in worker.acknowledged()}
        for worker in workers:
            worker.start()
        run_to_end(workers)
    finally:
        for worker in workers:
            worker.stop()
    acknowledged = {note for worker in workers for note in worker.acknowledged()}
    outcome = Outcome.of(ledger)
    lost, doubled = acknowledged - set(outcome.ids), [id for id, count in outcome.ids.items() if count > 1]
    assert (lost, doubled) == (set(), [])
    assert set(outcome.ids) == acknowledged, "all were answered in the last life"
    assert torn <= outcome.faults <= kills
    assert limits.over(outcome.used) == []
    assert fold(ledger) == outcome.used
    figure(
        f"sudden death: {processes} processes x {reports:,} reports, {kills} kills, {torn} of them in a write: "
        f"0 of {len(acknowledged):,} acknowledged lost ({len(before):,} of them before the last kill), 0 doubled, "
        f"{outcome.faults} torn lines, the lock free of each of the dead at once"
    )


def test_the_lock_is_free_after_a_kill(
    ledger: Path, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    """The killed one held it, in the middle of a write; nobody else wants it."""
    rounds = sized(3, 20)
    for number in range(rounds):
        worker = Worker(ledger, f"w{number}", 10, Limits.tight(4, 100).config)
        worker.start(torn_at=5, cut=number * 7)
        try:
            wait_until(lambda worker=worker: worker.is_torn)  # type: ignore[misc]  # a default binds it
            worker.kill()
            with locked(ledger, timeout=0):
                pass
        finally:
            worker.stop()
    assert Outcome.of(ledger).faults == rounds
    figure(f"lock after a kill: {rounds} holders killed in a write, the lock taken without a wait")

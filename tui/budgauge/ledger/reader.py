"""A ledger read into totals, kept up to date by reading only what is new."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from budgauge.accounting.accumulator import PricingOf, unpriced
from budgauge.accounting.billing_cycle import Calendar
from budgauge.accounting.fold import Totals, uncut
from budgauge.accounting.local_zone import LOCAL, local_name
from budgauge.accounting.period import since
from budgauge.accounting.records import Batch, Fault, Record, Release, Reserve, Settle, Usage
from budgauge.config import Cycle
from budgauge.ledger.checkpoint import Checkpoint, CheckpointStore, DamagedIdsError
from budgauge.ledger.file import DUE_BYTES, LedgerFile
from budgauge.ledger.last_seen import LastSeen
from budgauge.ledger.tail import Tail

KEPT_FAULTS = 100
"""How many of the first lines set aside are kept in memory; all are counted."""
RECENT_SECONDS = 7200.0
"""How far back from when reading begins each agent's minutes are told apart."""
_Answer = TypeVar("_Answer")


class LedgerReader(LedgerFile):
    """The ledger at a path, folded. Used by one thread at a time."""

    def __init__(
        self,
        path: Path,
        pricing_of: PricingOf = unpriced,
        *,
        cycle: Cycle | None = None,
        checkpoints: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`checkpoints` is where the fold of a long ledger is kept, and what any ledger was; None keeps nothing."""
        self.faults: list[Fault] = []
        """The first lines set aside."""
        self.fault_count = 0
        self._pricing_of = pricing_of
        self._cycle_of = Calendar(cycle).span if cycle else uncut
        self._store = CheckpointStore(checkpoints, path, cycle_name(cycle)) if checkpoints else None
        self._trusts_checkpoint = True
        self._kept_offset = 0
        super().__init__(path, checkpoints, clock)

    def refold(self) -> None:
        """Forget the fold and make it again, for instance because prices tell calls apart by other tiers."""
        self._tail = Tail()
        self._forget()
        self.refresh()

    def known(self, usage: Usage) -> bool | None:
        """As Totals.known."""
        return self._asked(lambda: self.totals.known(usage))

    def known_hold(self, reserve: Reserve) -> bool | None:
        """As Totals.known_hold."""
        return self._asked(lambda: self.totals.known_hold(reserve))

    def reservation(self, id: str) -> Reserve | None:
        """As Totals.reservation."""
        return self._asked(lambda: self.totals.reservation(id))

    def ending(self, reserve_id: str) -> Settle | Release | None:
        """As Totals.ending."""
        return self._asked(lambda: self.totals.ending(reserve_id))

    @property
    def lost(self) -> LastSeen | None:
        """What the ledger was when it was last seen, if it lost lines and no reset or cycle has begun since."""
        lost = self.last_seen.lost if self.last_seen else None
        return None if lost is None or self._begins_anew_since(lost.seen_at) else lost

    def _begins_anew_since(self, moment: float) -> bool:
        begun = since(self.totals, self._clock())
        return begun is not None and begun >= moment

    def _keep_work(self) -> None:
        """Keep the fold as a checkpoint if much was read since the last one."""
        if self._store is None or self._tail.offset - self._kept_offset < DUE_BYTES:
            return
        self._kept_offset = self._tail.offset
        if not self._store.is_fresh():
            shapes = {model: self._shape(model) for model in self.totals.models()}
            # Sums that no checkpoint can hold come from hostile lines; without one, reading only takes longer.
            with suppress(DamagedIdsError, OverflowError):
                self._store.write(self._tail.mark, self.totals, shapes, self.faults, self.fault_count)

    def _asked(self, question: Callable[[], _Answer]) -> _Answer:
        try:
            return question()
        except DamagedIdsError:
            self._trusts_checkpoint = False
            self.refold()
            return question()

    def _read(self, fd: int, status: os.stat_result | None) -> bool:
        try:
            return super()._read(fd, status)
        except DamagedIdsError:
            # It was not known to be damaged before it was needed; the next one takes its place.
            self._trusts_checkpoint = False
            self._tail = Tail()
            self._forget()
            super()._read(fd, status)
            return True

    def _take(self, batch: Batch) -> None:
        self.totals.add(batch.records, batch.offsets)
        # A long past is full of expired ones, of which only some are kept.
        self.totals.holds.move_to(self._clock())
        self.fault_count += len(batch.faults)
        self.faults += batch.faults[: KEPT_FAULTS - len(self.faults)]

    def _take_own(self, record: Record, place: int) -> None:
        self.totals.add_one(record, place)

    def _restore(self, fd: int) -> None:
        """Go on from the last checkpoint, if it is of this very file."""
        status = os.fstat(fd)
        if self._store is None or not self._trusts_checkpoint or status.st_size < DUE_BYTES:
            return

        def fits(checkpoint: Checkpoint) -> bool:
            return (
                checkpoint.mark.inode == status.st_ino
                and all(self._shape(model) == shape for model, shape in checkpoint.shapes.items())
                and Tail.at(checkpoint.mark, status).resumes(fd, status)
            )

        checkpoint = self._store.restore(self.totals, fits)
        if checkpoint is None:
            self._forget()
            return
        self._tail = Tail.at(checkpoint.mark, status)
        self._kept_offset = self._tail.offset
        self.faults, self.fault_count = checkpoint.faults, checkpoint.fault_count

    def _shape(self, model: str) -> str:
        pricing = self._pricing_of(model)
        return pricing.shape if pricing else ""

    def _forget(self) -> None:
        self.totals = self._make_totals()
        self.faults = []
        self.fault_count = self._kept_offset = 0

    def _make_totals(self) -> Totals:
        """What an empty ledger adds up to."""
        recent_from = (self._clock() - RECENT_SECONDS) // 60 * 60
        return Totals(self._pricing_of, self._cycle_of, self.recall, recent_from=recent_from)


def cycle_name(cycle: Cycle | None) -> str:
    """A cycle setting as a text that tells it from others."""
    if cycle is None:
        return ""
    name = repr(msgspec.structs.astuple(cycle))
    return f"{name} {local_name()}" if cycle.timezone == LOCAL else name

"""A tracker's records in a ledger file that all processes share."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from budgauge.accounting.accumulator import PricingOf
from budgauge.accounting.fold import Totals
from budgauge.config import Cycle
from budgauge.errors import LedgerError, LedgerWriteError
from budgauge.files.cache import cache_folder

if TYPE_CHECKING:
    from budgauge.ledger.append import LedgerWriter
    from budgauge.status.problems import Problem


class Shared:
    """Records in a ledger file, shared by all processes."""

    def __init__(
        self,
        path: Path,
        pricing_of: PricingOf,
        cycle: Cycle | None,
        *,
        sync: bool,
        clock: Callable[[], float],
        cache: Path | None = None,
    ) -> None:
        self.path = path
        self._pricing_of = pricing_of
        self._sync = sync
        self._clock = clock
        self._cache = cache or cache_folder()
        self._writer: LedgerWriter | None = None
        self._lock_timeout: float | None = None
        self.set_cycle(cycle)

    def set_cycle(self, cycle: Cycle | None) -> None:
        """Fold afresh, with other cycles."""
        from budgauge.ledger.reader import LedgerReader

        self.known = LedgerReader(self.path, self._pricing_of, cycle=cycle, checkpoints=self._cache, clock=self._clock)
        self._writer = None

    def set_sync(self, sync: bool) -> None:
        """From now on."""
        self._sync, self._writer = sync, None

    def set_lock_timeout(self, seconds: float) -> None:
        """From now on."""
        self._lock_timeout = seconds
        if self._writer is not None:
            self._writer.timeout = seconds

    @property
    def totals(self) -> Totals:
        """The fold of what was read."""
        return self.known.totals

    @property
    def exists(self) -> bool:
        """Was there a file at the last refresh?"""
        return self.known.exists

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What of the file was set aside."""
        from budgauge.status.problems import ledger_problems

        return ledger_problems(self.known)

    @property
    def set_aside(self) -> tuple[Problem, ...]:
        """Every line that is not counted: no records, records that contradict earlier ones, lines that are gone."""
        if not self.known.fault_count and not self.totals.set_aside and self.known.lost is None:
            return ()
        from budgauge.status.problems import fold_problems

        return *self.problems, *fold_problems(self.totals.set_aside)

    def refresh(self) -> None:
        """Fold in what others added."""
        self.known.refresh()

    def check_writable(self) -> None:
        """LedgerError if nothing could be recorded here, as far as can be seen without writing."""
        if self._writer is not None and self._writer.is_open():
            return
        from budgauge.ledger.file import open_ledger
        from budgauge.ledger.foreign import check_is_ledger
        from budgauge.ledger.network import check_is_local, device_at

        try:
            fd = open_ledger(self.path, os.O_RDONLY)
        except FileNotFoundError:
            check_is_local(self.path, device_at(self.path.parent))
            return
        try:
            check_is_local(self.path, os.fstat(fd).st_dev)
            check_is_ledger(self.path, fd)
        finally:
            os.close(fd)
        if not os.access(self.path, os.W_OK):
            raise LedgerWriteError(f"{self.path}: cannot be written", hint="Check its permissions.")

    def refold(self) -> None:
        """Fold afresh, with other price tiers."""
        self.known.refold()

    def transaction(self) -> LedgerWriter:
        """Entered, it holds the lock, with everything that others wrote folded in."""
        if self._writer is None:
            self._writer = self._make_writer()
        return self._writer

    def _make_writer(self) -> LedgerWriter:
        from budgauge.ledger.append import LedgerWriter

        if not self.known.exists:
            # The long first reading is not for the time when others wait; what is wrong shows under the lock.
            with suppress(LedgerError):
                self.known.refresh()
        writer = LedgerWriter(self.known, sync=self._sync)
        if self._lock_timeout is not None:
            writer.timeout = self._lock_timeout
        return writer

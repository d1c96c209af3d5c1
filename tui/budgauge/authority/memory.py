"""The authority in this process alone: the latest records as they are, all others in sums."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from budgauge.accounting.accumulator import Pricing
from budgauge.accounting.billing_cycle import Calendar
from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Record
from budgauge.accounting.recut import recut, shape_of, slot
from budgauge.accounting.usage_sums import uncut
from budgauge.authority.folded import Folded
from budgauge.config import BudgetConfig
from budgauge.pricing.price_book import PriceBook

if TYPE_CHECKING:
    from budgauge.status.problems import Problem

KEPT_RECORDS = 50_000
"""Twice as many of the latest records are kept at most; of the older half the sums stay."""
_memories: weakref.WeakSet[Memory] = weakref.WeakSet()


def _free_mutexes() -> None:
    """Give a forked child new mutexes: another thread's holder does not exist there."""
    for memory in list(_memories):
        memory._mutex = threading.RLock()


os.register_at_fork(after_in_child=_free_mutexes)


class Memory(Folded):
    """Decides by records kept in this process alone."""

    def __init__(self, config: BudgetConfig, now: Callable[[], float], cache: Path | None = None) -> None:
        super().__init__(config, now, cache)
        self._mutex = threading.RLock()
        self._records: list[Record] = []
        """The latest records, oldest first."""
        self._past = Totals(self._pricing_of, slot)
        """Everything before them, by slots: other cycles can still be made of it."""
        self._shapes: dict[str, str] = {}
        """model → how its calls are told apart by price in the past."""
        self.refold()
        _memories.add(self)

    @property
    def mutex(self) -> threading.RLock:
        """The mutex of this memory."""
        return self._mutex

    @property
    def totals(self) -> Totals:
        """The fold of all records."""
        return self._totals

    @property
    def name(self) -> str:
        """Empty: there is no file."""
        return ""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Nothing: memory holds records alone."""
        return ()

    def locked(self) -> Memory:
        """Return itself: entered, no other thread gets in."""
        return self

    def __enter__(self) -> Memory:
        self._mutex.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._mutex.release()

    def append(self, record: Record) -> None:
        """Add a record to the totals."""
        self._records.append(record)
        self._totals.add([record])
        if len(self._records) >= 2 * KEPT_RECORDS:
            self._sum_up()

    def refresh(self) -> bool:
        """Return False: nothing can be new."""
        return False

    def check_writable(self) -> None:
        """Do nothing: memory can always be written."""

    def refold(self) -> None:
        """Fold afresh under the present prices and cycle."""
        cycle_of = Calendar(self.config.cycle).span if self.config.cycle else uncut
        self._past = recut(self._past, self._pricing_of, slot, self._shapes)
        self._note_shapes()
        self._totals = recut(self._past, self._pricing_of, cycle_of, self._shapes)
        self._totals.add(self._records)

    def set_config(self, config: BudgetConfig) -> None:
        """Decide by other rules from now on; the usage stays."""
        with self._mutex:
            before, self.config = self.config, config
            prices_differ = (config.prices, config.price_factors) != (before.prices, before.price_factors)
            if prices_differ and self._prices is not None:
                self._prices = self._prices.under(config.prices, config.price_factors)
            if prices_differ or config.cycle != before.cycle:
                self.refold()

    def resolved_prices(self) -> PriceBook:
        """Look up the prices of all models used, and refold by them at the first time."""
        if self._prices is None:
            self.prices.resolve(self._totals.models())
            self.refold()
        return super().resolved_prices()

    def _pricing_of(self, model: str) -> Pricing | None:
        # Few programs ask what their calls cost; until one does, prices need not be looked up.
        return None if self._prices is None else self._prices.pricing_of(model)

    def _sum_up(self) -> None:
        """Keep only the sums of the older half of the records."""
        # Whoever asks for prices that cannot be looked up hears of it; a record is not lost for it.
        with suppress(Exception):
            self.resolved_prices()
        self._past.add(self._records[:KEPT_RECORDS])
        del self._records[:KEPT_RECORDS]
        self._note_shapes()

    def _note_shapes(self) -> None:
        self._shapes = {model: shape_of(self._pricing_of(model)) for model in self._past.models()}

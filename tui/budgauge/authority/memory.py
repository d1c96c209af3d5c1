"""A tracker's records in this process alone: the latest as they are, all others in sums."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from budgauge.accounting.accumulator import PricingOf
from budgauge.accounting.billing_cycle import Calendar
from budgauge.accounting.fold import Totals, uncut
from budgauge.accounting.records import Record
from budgauge.accounting.recut import recut, shape_of, slot
from budgauge.config import Cycle

if TYPE_CHECKING:
    from budgauge.status.problems import Problem

KEPT_RECORDS = 50_000
"""Twice as many of the latest records are kept at most; of the older half the sums stay."""


class Memory:
    """Records kept in this process alone."""

    path: Path | None = None
    exists = True
    problems: tuple[Problem, ...] = ()
    set_aside: tuple[Problem, ...] = ()

    def __init__(
        self, pricing_of: PricingOf, cycle: Cycle | None, resolve_prices: Callable[[], object] = lambda: None
    ) -> None:
        """`resolve_prices` is called before records are summed up: it looks up prices, and refolds if they differ."""
        self._pricing_of = pricing_of
        self._resolve_prices = resolve_prices
        self._records: list[Record] = []
        """The latest records, oldest first."""
        self._past = Totals(pricing_of, slot)
        """Everything before them, by slots: other cycles can still be made of it."""
        self._shapes: dict[str, str] = {}
        """model → how its calls are told apart by price in the past."""
        self.set_cycle(cycle)

    def set_cycle(self, cycle: Cycle | None) -> None:
        """Fold afresh, with other cycles."""
        self._cycle_of = Calendar(cycle).span if cycle else uncut
        self.refold()

    def set_lock_timeout(self, seconds: float) -> None:
        """Do nothing: nobody is waited for."""

    def refresh(self) -> None:
        """Do nothing: nothing can be new."""

    def check_writable(self) -> None:
        """Do nothing: memory can always be written."""

    def refold(self) -> None:
        """Fold afresh, with other price tiers."""
        self._past = recut(self._past, self._pricing_of, slot, self._shapes)
        self._note_shapes()
        self.totals = recut(self._past, self._pricing_of, self._cycle_of, self._shapes)
        self.totals.add(self._records)

    def transaction(self) -> Memory:
        """Return itself: nobody else is there to be kept out."""
        return self

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def append(self, record: Record) -> None:
        """Append to the fold itself."""
        self._records.append(record)
        self.totals.add([record])
        if len(self._records) >= 2 * KEPT_RECORDS:
            self._sum_up()

    def _sum_up(self) -> None:
        """Keep of the older half of the records only what they add up to."""
        # Whoever asks for prices that cannot be looked up hears of it; a record is not lost for it.
        with suppress(Exception):
            self._resolve_prices()
        self._past.add(self._records[:KEPT_RECORDS])
        del self._records[:KEPT_RECORDS]
        self._note_shapes()

    def _note_shapes(self) -> None:
        self._shapes = {model: shape_of(self._pricing_of(model)) for model in self._past.models()}

    def written(self) -> None:
        """Do nothing: nothing is to be brought to a disk."""

    @property
    def known(self) -> Totals:
        """What knows ids."""
        return self.totals

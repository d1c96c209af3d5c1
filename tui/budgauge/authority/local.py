"""The authority over a ledger file shared by all processes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from budgauge.accounting.fold import Totals
from budgauge.authority.folded import Appender, Folded
from budgauge.config import BudgetConfig
from budgauge.files.cache import cache_folder
from budgauge.ledger.ledger import Ledger
from budgauge.pricing.price_book import PriceBook

if TYPE_CHECKING:
    from budgauge.pricing.model_price import ModelPrice
    from budgauge.status.problems import Problem

_Answer = TypeVar("_Answer")


class Local(Folded):
    """Decides under the ledger's lock."""

    def __init__(
        self,
        config: BudgetConfig,
        path: Path,
        *,
        now: Callable[[], float] = time.time,
        cache: Path | None = None,
        keeps_cache: bool = True,
        keeps_all_ids: bool = False,
    ) -> None:
        """`keeps_cache` and `keeps_all_ids` are as for Ledger; `cache` is by default the user's cache folder."""
        super().__init__(config, now, cache or cache_folder())
        self._next_prices: PriceBook | None = None
        """Prices of a changed config, until the ledger was folded by them."""
        self._is_stale = False
        self._open = partial(
            Ledger,
            cache=self._cache,
            keeps_cache=keeps_cache,
            keeps_all_ids=keeps_all_ids,
            clock=now,
        )
        self.ledger = self._open(path, self.prices.pricing_of, cycle=config.cycle, sync=config.sync)

    def move_to(self, path: Path) -> None:
        """Decide over another ledger from now on."""
        with self.ledger.turn, self.ledger.mutex:
            prices = self._next_prices or self.prices
            self.ledger = self._open(path, prices.pricing_of, cycle=self.config.cycle, sync=self.config.sync)
            self._prices, self._next_prices, self._is_stale = prices, None, False

    @property
    def mutex(self) -> threading.RLock:
        """The ledger's own."""
        return self.ledger.mutex

    @property
    def totals(self) -> Totals:
        """The fold of the records read."""
        return self.ledger.totals

    @property
    def name(self) -> str:
        """The ledger's path."""
        return str(self.ledger.path)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Lines without a record, and missing lines."""
        from budgauge.status.problems import ledger_problems

        return ledger_problems(self.ledger)

    def locked(self) -> AbstractContextManager[Appender]:
        """Return a transaction of the ledger."""
        if self._is_stale:
            self.refresh()
        return self.ledger.locked()

    def refresh(self) -> bool:
        """Fold in others' records, or everything afresh after a change of prices or cycle."""
        with self.mutex:
            if not self._is_stale:
                return self.ledger.refresh()
            self.refold()
            return True

    def refold(self) -> None:
        """Fold afresh; if the ledger cannot be read, the former fold and prices stay."""
        prices = self._next_prices or self.prices
        self.ledger.set_terms(prices.pricing_of, self.config.cycle)
        self._prices, self._next_prices, self._is_stale = prices, None, False

    def check_writable(self) -> None:
        """Raise LedgerError if nothing could be recorded."""
        with self.mutex:
            self.ledger.check_writable()

    def answer(self, question: Callable[[], _Answer]) -> _Answer:
        """Ask the totals; damaged ids in a checkpoint are read anew from the ledger."""
        return self.ledger.answer(question)

    def set_config(self, config: BudgetConfig) -> None:
        """Decide by other rules from now on. The next refresh folds afresh if needed."""
        with self.mutex:
            before, self.config = self.config, config
            self.ledger.sync = config.sync
            if (config.prices, config.price_factors) != (before.prices, before.price_factors):
                self._next_prices = self.prices.under(config.prices, config.price_factors)
                self._is_stale = True
            self._is_stale |= config.cycle != before.cycle

    def learn(self, found: dict[str, ModelPrice | None]) -> None:
        """Take over found prices."""
        with self.mutex:
            self._is_stale |= self.prices.learn(found)

    def set_lock_timeout(self, seconds: float) -> None:
        """Wait so long for the ledger's lock from now on."""
        self.ledger.lock_timeout = seconds

    @property
    def waits_for_disk(self) -> bool:
        """True if a record must be on the disk before the acknowledgement."""
        return self.config.sync

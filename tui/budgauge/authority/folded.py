"""An authority by a fold of records."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from budgauge.accounting.fold import Totals
from budgauge.accounting.limits import BudgetUsage, refusal
from budgauge.accounting.period import last_reset_at, since
from budgauge.accounting.record_checks import check_count, check_name
from budgauge.accounting.records import (
    MAX_COUNT,
    Record,
    Release,
    Reserve,
    Reset,
    Settle,
    UndoReset,
    Usage,
    same_content,
)
from budgauge.accounting.usage_sums import counted_parts
from budgauge.authority.refused import (
    check_same,
    duplicate,
    ended_already,
    expired_already,
    in_another_cycle,
    no_reservation,
    no_reset,
    nothing_taken,
    reset_between,
    reset_in_earlier_cycle,
)
from budgauge.config import BudgetConfig
from budgauge.errors import RecordError, RefusedError
from budgauge.files.cache import cache_folder
from budgauge.pricing.price_book import PriceBook

if TYPE_CHECKING:
    from budgauge.status.problems import Problem
    from budgauge.status.snapshot import Snapshot

_Outcome = TypeVar("_Outcome")
_Answer = TypeVar("_Answer")
Verdict = tuple[Sequence[Record], _Outcome]
"""The records to write, and the answer to the caller."""


class Appender(Protocol):
    """The right to add records."""

    def append(self, record: Record) -> None:
        """Add one record."""


class Folded(ABC):
    """Decides by totals. A `judge_…` result holds only under the lock of the call."""

    def __init__(self, config: BudgetConfig, now: Callable[[], float], cache: Path | None) -> None:
        self.config = config
        self.budget_is_default = False
        """Whether nobody set the total budget."""
        self._now = now
        self._cache = cache
        self._prices: PriceBook | None = None

    @property
    @abstractmethod
    def mutex(self) -> threading.RLock:
        """The mutex for threads that read the totals."""

    @property
    @abstractmethod
    def totals(self) -> Totals:
        """The fold of the records read."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The ledger's path; empty for memory."""

    @property
    @abstractmethod
    def problems(self) -> tuple[Problem, ...]:
        """Lines without a record, and missing lines."""

    @abstractmethod
    def locked(self) -> AbstractContextManager[Appender]:
        """Return the right to add; entered, no other writer gets in, and everything is folded in."""

    @abstractmethod
    def refresh(self) -> bool:
        """Fold in others' records; return True if there were any."""

    @abstractmethod
    def refold(self) -> None:
        """Fold afresh under the present prices and cycle."""

    @abstractmethod
    def check_writable(self) -> None:
        """Raise LedgerError if nothing could be recorded, as far as can be seen without writing."""

    def answer(self, question: Callable[[], _Answer]) -> _Answer:
        """Ask the totals a question about ids."""
        return question()

    # What is asked.

    def report(self, usage: Usage, *, spent: bool, is_dated: bool) -> bool:
        """Record a call, as Authority.report."""
        return self._decided(lambda: self.judge_report(usage, spent=spent, is_dated=is_dated))

    def reserve(self, reserve: Reserve) -> Reserve:
        """Hold tokens, as Authority.reserve."""
        return self._decided(lambda: self.judge_reserve(reserve))

    def settle(self, settle: Settle, *, is_dated: bool) -> bool:
        """End a reservation, as Authority.settle."""
        return self._decided(lambda: self.judge_settle(settle, is_dated=is_dated))

    def release(self, reserve: str, *, again: bool) -> None:
        """Give a reservation back, as Authority.release."""
        self._decided(lambda: self.judge_release(reserve, again=again))

    def reset(self, reset: Reset, expected: str | msgspec.UnsetType | None) -> str:
        """Start the counters afresh, as Authority.reset."""
        if reset.agent_id is not None:
            self._check_agent(reset.agent_id)
        return self._decided(lambda: self._judge_reset(reset, expected))

    def undo_reset(self) -> str:
        """Take a reset back, as Authority.undo_reset."""
        self.refresh()
        if not self.totals.resets:
            # Taking the lock would make the file.
            raise no_reset()
        return self._decided(self._judge_undo)

    def check(self, agent_id: str, tokens: int) -> RefusedError | None:
        """Ask without recording, as Authority.check."""
        self.check_writable()
        return self.refusal(agent_id, tokens)

    def refusal(self, agent_id: str, tokens: int = 1, *, unbooked: Iterable[Usage] = ()) -> RefusedError | None:
        """Answer as `check`, also where nothing can be recorded; `unbooked` calls count as if they were recorded."""
        check_count("tokens", tokens)
        with self.mutex:
            self._check_agent(agent_id)
            self.refresh()
            used = BudgetUsage.at(self.config, self.totals, self._now(), unbooked=unbooked)
            return refusal(self.config, used, agent_id, tokens)

    def state(self) -> Snapshot:
        """Return everything at once, as Authority.state."""
        from budgauge.status.snapshot import take_snapshot

        with self.mutex:
            self.refresh()
            prices = self.resolved_prices()
            return take_snapshot(
                self.totals,
                self.config,
                prices,
                now=self._now(),
                budget_is_default=self.budget_is_default,
                ledger=self.name,
                problems=self.problems,
            )

    def usages(self, *, refreshed: bool = True) -> tuple[BudgetUsage]:
        """Return the usage and the reservations, as Authority.usages."""
        with self.mutex:
            if refreshed:
                self.refresh()
            return (BudgetUsage.at(self.config, self.totals, self._now()),)

    # What the ledger tells beside.

    @property
    def set_aside(self) -> tuple[Problem, ...]:
        """Every uncounted line, as of the last reading: no record, in conflict, or gone."""
        problems = self.problems
        if not problems and not self.totals.seen.set_aside:
            return ()
        from budgauge.status.problems import fold_problems

        return *problems, *fold_problems(self.totals.seen.set_aside)

    def known_agents(self) -> set[str]:
        """Return every agent with usage, whatever was reset since."""
        with self.mutex:
            self.refresh()
            return self.totals.agents()

    def since(self) -> float | None:
        """Return the unix seconds of the last reset of everyone or of the cycle's beginning; None without either."""
        with self.mutex:
            self.refresh()
            return since(self.totals, self._now())

    def last_reset(self) -> float | None:
        """Return the unix seconds of the last reset of everyone, as `last_reset_at`; None if there was none."""
        with self.mutex:
            self.refresh()
            return last_reset_at(self.totals, self._now())

    def cycle_start(self) -> float | None:
        """Return the unix seconds at which the present cycle began; None where no cycle is set."""
        return self.totals.cycle(self._now())[0] if self.config.cycle else None

    @abstractmethod
    def set_config(self, config: BudgetConfig) -> None:
        """Decide by other rules from now on; the usage stays."""

    def _decided(self, judge: Callable[[], Verdict[_Outcome]]) -> _Outcome:
        with self.locked() as ledger:
            records, outcome = judge()
            for record in records:
                ledger.append(record)
        return outcome

    # What is answered, under the lock.

    def judge_report(self, usage: Usage, *, spent: bool, is_dated: bool) -> Verdict[bool]:
        """Decide on a call: added or known."""
        if usage.id is not None and (known := self.answer(lambda: self.totals.known(usage))) is not None:
            check_same(known, usage.id)
            return (), False
        now, record = self._now(), usage
        if not self._in_one_cycle(usage.timestamp, now):
            if not is_dated:
                # A new cycle began while the lock was waited for.
                record = msgspec.structs.replace(usage, timestamp=int(now))
            elif not spent:
                raise in_another_cycle(usage.timestamp)
        if not spent:
            self._admit(usage.agent_id, self.config.counted(*counted_parts(usage)), now)
        return (record,), True

    def judge_reserve(self, reserve: Reserve) -> Verdict[Reserve]:
        """Decide on a reservation: the one in force."""
        id = reserve.id
        known = self.answer(lambda: self.totals.known_reservation(reserve))
        if known is not None:
            check_same(known, id)
        if (ended := self.answer(lambda: self.totals.ending(id))) is not None:
            raise ended_already(id, ended)
        if known is not None:
            held = self.totals.holds.get(id)
            if held is None or held.expires <= self._now():
                # It holds nothing any more, and the budget was not asked anew.
                raise expired_already(id)
            return (), held
        self._admit(reserve.agent_id, reserve.tokens, self._now())
        return (reserve,), reserve

    def agent_of(self, reserve: str) -> str:
        """Return the agent of a reservation, open or ended; empty for an unknown one."""
        hold = self.answer(lambda: self.totals.reservation(reserve))
        ended = None if hold else self.answer(lambda: self.totals.ending(reserve))
        return hold.agent_id if hold else ended.agent_id if isinstance(ended, Settle) else ""

    def judge_settle(self, settle: Settle, *, is_dated: bool) -> Verdict[bool]:
        """Decide on the end of a reservation: added or known."""
        id = settle.reserve
        hold = self.answer(lambda: self.totals.reservation(id))
        ended = self.answer(lambda: self.totals.ending(id))
        who = hold.agent_id if hold else settle.agent_id
        if who and not hold:
            check_name("agent_id", who)
        who = who or self.agent_of(id)
        if not who:
            raise no_reservation(id) if ended is None else ended_already(id, ended)
        settle = msgspec.structs.replace(settle, agent_id=who)
        if ended is not None:
            if same_content(ended, settle):
                return (), False
            raise ended_already(id, ended)
        if self.answer(lambda: self.totals.known(settle)) is not None:
            raise duplicate(settle.id)
        moments = (self._now(), hold.timestamp if hold else self._now())
        if is_dated and not any(self._in_one_cycle(settle.timestamp, then) for then in moments):
            raise in_another_cycle(settle.timestamp)
        return (settle,), True

    def judge_release(self, reserve: str, *, again: bool) -> Verdict[None]:
        """Decide on giving a reservation back."""
        ended = self.answer(lambda: self.totals.ending(reserve))
        if again and isinstance(ended, Release):
            return (), None
        if ended is not None:
            raise ended_already(reserve, ended)
        if self.answer(lambda: self.totals.reservation(reserve)) is None:
            raise no_reservation(reserve)
        return (Release(int(self._now()), reserve),), None

    def _judge_reset(self, reset: Reset, expected: str | msgspec.UnsetType | None) -> Verdict[str]:
        if reset.id in self.totals.reset_ids:
            return (), reset.id
        if expected is not msgspec.UNSET and self.totals.reset_id != expected:
            raise reset_between()
        used = BudgetUsage.at(self.config, self.totals, self._now())
        agent_id = reset.agent_id and used.form_of(reset.agent_id)
        total_used = min(used.by_all(), MAX_COUNT)
        moment = int(self._now())
        return (msgspec.structs.replace(reset, timestamp=moment, agent_id=agent_id, total_used=total_used),), reset.id

    def _judge_undo(self) -> Verdict[str]:
        resets = self.totals.to_undo()
        if not resets:
            raise nothing_taken() if self.totals.resets else no_reset()
        now = self._now()
        if self.config.cycle and resets[-1].timestamp < self.totals.cycle(now)[0]:
            raise reset_in_earlier_cycle()
        return [UndoReset(int(now), reset.id) for reset in resets], resets[-1].id

    def _in_one_cycle(self, timestamp: float, now: float) -> bool:
        """Return True if a call of the moment counts in the cycle of `now`."""
        begin, end = self.totals.cycle(now)
        return begin <= timestamp < end

    def _admit(self, agent_id: str, requested: int, now: float) -> None:
        error = refusal(self.config, BudgetUsage.at(self.config, self.totals, now), agent_id, requested)
        if error is not None:
            raise error

    def _check_agent(self, agent_id: str) -> None:
        """Raise RecordError unless an agent may have this name, or has usage under the name already."""
        try:
            check_name("agent_id", agent_id)
        except RecordError:
            check_name("agent_id", agent_id, is_recorded=True)
            with self.mutex:
                self.refresh()
                if not any(agent_id in counters.spent for counters in self.totals.cycles.values()):
                    raise

    # Prices.

    @property
    def prices(self) -> PriceBook:
        """Prices of models, under the config in force."""
        if self._prices is None:
            folder = self._cache or cache_folder()
            self._prices = PriceBook(self.config.prices, factors=self.config.price_factors, folder=folder)
        return self._prices

    def resolved_prices(self) -> PriceBook:
        """Look up the prices of all models used; refold where calls must be told apart by them."""
        if self.prices.resolve(self.totals.models()):
            self.refold()
        return self.prices


def new_id() -> str:
    """Return a new, unique id."""
    return os.urandom(8).hex()

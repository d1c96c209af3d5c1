"""The budget in force: rules and ledger together, for programs that ask before they spend."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from budgauge.accounting.accumulator import Pricing
from budgauge.accounting.family import is_family
from budgauge.accounting.fold import counted_parts
from budgauge.accounting.limits import Spending, refusal, warning_at, warning_message
from budgauge.accounting.period import last_reset_at, since
from budgauge.accounting.records import (
    MAX_COUNT,
    Release,
    Reserve,
    Reset,
    Settle,
    UndoReset,
    Usage,
    check_count,
    check_name,
    check_record,
    check_text,
    check_ttl,
    make_usage,
    same_content,
)
from budgauge.accounting.reservation import Hold
from budgauge.authority.local import Shared
from budgauge.authority.memory import Memory
from budgauge.config import BudgetConfig
from budgauge.errors import RecordError, RefusedError
from budgauge.files.cache import cache_folder
from budgauge.pricing.price_book import PriceBook
from budgauge.text import safe
from budgauge.tracker.refused import (
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

if TYPE_CHECKING:
    from budgauge.ledger.append import LedgerWriter, Written
    from budgauge.status.problems import Problem
    from budgauge.status.snapshot import Snapshot

_Outcome = TypeVar("_Outcome")
Now = Callable[[], float]
_trackers: weakref.WeakSet[TokenBudgetTracker] = weakref.WeakSet()


def _free_mutexes() -> None:
    """In a forked child nobody is left to give back what another thread held."""
    for tracker in list(_trackers):
        tracker._mutex = threading.RLock()


os.register_at_fork(after_in_child=_free_mutexes)


class TokenBudgetTracker:
    """Reports usage against a budget, refuses what would exceed it, warns once at the threshold.

    `TokenBudgetTracker(config)` counts in memory; `TokenBudgetTracker.open()` shares a ledger
    with all processes. Safe to use from several threads.
    """

    def __init__(
        self,
        config: BudgetConfig | None = None,
        *,
        ledger: str | os.PathLike[str] | None = None,
        now: Now = time.time,
        cache: Path | None = None,
    ) -> None:
        """What can be rebuilt of a ledger is kept in `cache`, by default the user's cache folder."""
        self._config = config or BudgetConfig()
        self._prices: PriceBook | None = None
        self._budget_is_default = False
        cycle = self._config.cycle
        self._store_is_memory = ledger is None
        self._store = (
            Memory(self._pricing_of, cycle, self._resolved_prices)
            if ledger is None
            else Shared(Path(ledger), self._pricing_of, cycle, sync=self._config.sync, clock=now, cache=cache)
        )
        self._now = now
        self._cache = cache
        self._mutex = threading.RLock()
        self._warned = False
        self._warning_at = warning_at(self._config)
        _trackers.add(self)

    @classmethod
    def with_defaults(cls) -> TokenBudgetTracker:
        """In memory: 1,000,000 tokens, warning at 80 %."""
        return cls(BudgetConfig())

    @classmethod
    def open(cls, *, config: str | None = None, ledger: str | None = None) -> TokenBudgetTracker:
        """With config and ledger found as the command line finds them; the config's warnings are logged.

        Raises ConfigError.
        """
        from budgauge.config.load import Options, load

        loaded = load(Options(config=config, ledger=ledger))
        for warning in loaded.warnings:
            _log(safe(warning))
        tracker = cls(loaded.config, ledger=loaded.ledger.path)
        tracker._budget_is_default = loaded.budget_is_default
        return tracker

    def set_lock_timeout(self, seconds: float) -> None:
        """How long to wait for the ledger's lock from now on; then LockTimeoutError is raised. Ten seconds at first."""
        with self._mutex:
            self._store.set_lock_timeout(seconds)

    @property
    def config(self) -> BudgetConfig:
        """The budget and its rules."""
        return self._config

    def report_usage(
        self,
        agent_id: str,
        model: str,
        prompt_tokens: int,
        completion_tokens: int,
        *,
        spent: bool = False,
        timestamp: float | None = None,
        **fields: Any,  # the optional fields of make_usage, checked there
    ) -> bool:
        """Record a call if the budget admits it; True if a line was added, False if its `id` was known.

        `spent=True` records it whatever the budget says, because it was spent already. Optional
        fields: `id`, `alias`, `cached_tokens`, `cache_write_tokens`, `cache_write_1h_tokens`,
        `reasoning_tokens`, `session`, `project`, `source`, `service_tier`,
        `speed`, `inference_geo`, `web_search_requests`. Raises AgentLimitExceededError or
        BudgetExceededError (nothing is recorded), RecordError for a field that is not allowed or a
        `timestamp` (unix seconds) in another cycle than the present one without `spent=True`,
        DuplicateIdError for a known id with other content, LedgerError if it cannot be written.
        """
        moment = int(self._now()) if timestamp is None else timestamp
        usage = make_usage(agent_id, model, prompt_tokens, completion_tokens, timestamp=moment, **fields)
        return self._report(usage, spent, is_dated=timestamp is not None)

    def report(self, usage: Usage, *, spent: bool = False) -> bool:
        """`report_usage` for a record that is made already."""
        check_record(usage)
        return self._report(usage, spent, is_dated=True)

    def _report(self, usage: Usage, spent: bool, *, is_dated: bool) -> bool:
        """`is_dated`: the caller named the timestamp."""

        def decide(ledger: Memory | LedgerWriter) -> bool:
            if usage.id is not None and (known := self._store.known.known(usage)) is not None:
                check_same(known, usage.id)
                return False
            now, record = self._now(), usage
            if not self._in_one_cycle(usage.timestamp, now):
                if not is_dated:
                    # A new cycle began while the lock was waited for.
                    record = msgspec.structs.replace(usage, timestamp=int(now))
                elif not spent:
                    raise in_another_cycle(usage.timestamp)
            if not spent:
                spending = Spending(self._config, self._store.totals, now)
                self._admit(usage.agent_id, self._config.counted(*counted_parts(usage)), spending)
            ledger.append(record)
            return True

        return self._decided(decide)

    def _in_one_cycle(self, timestamp: float, now: float) -> bool:
        """Would a call of that moment count in the cycle of `now`?"""
        begin, end = self._store.totals.cycle(now)
        return begin <= timestamp < end

    def reserve(self, agent_id: str, tokens: int, ttl: float = 600, *, id: str | None = None) -> Hold[bool]:
        """Hold 1 or more counted tokens for a call to come, for at most `ttl` seconds, if the budget admits them.

        Use it as a context manager: left without having been settled, it is released. With an
        `id` that is known, nothing is added; a retry after a crash is safe. Raises as `report_usage`, and
        ReservationError if the reservation with this `id` has ended or expired.
        """
        check_name("agent_id", agent_id)
        check_count("tokens", tokens, least=1)
        check_text("id", id)
        now = self._now()
        expires = check_ttl(now, ttl)
        reserve = Reserve(int(now), id or os.urandom(8).hex(), agent_id, tokens, expires)

        def decide(ledger: Memory | LedgerWriter) -> Hold[bool]:
            if id is not None and (known := self._store.known.known_hold(reserve)) is not None:
                check_same(known, id)
            if id is not None and (ended := self._store.known.ending(id)) is not None:
                raise ended_already(id, ended)
            if id is not None and known is not None:
                held = self._store.totals.holds.get(id)
                if held is None or held.expires <= self._now():
                    # It holds nothing any more, and the budget was not asked anew.
                    raise expired_already(id)
                return Hold(self, held)
            self._admit(agent_id, tokens, self._spending)
            ledger.append(reserve)
            return Hold(self, reserve)

        return self._decided(decide)

    def settle(
        self,
        reserve: str,
        model: str,
        prompt_tokens: int,
        completion_tokens: int,
        *,
        agent_id: str | None = None,
        timestamp: float | None = None,
        **fields: Any,  # the optional fields of make_usage, checked there
    ) -> bool:
        """End a reservation, by its id, with what was really spent, even if it is late or more; it counts from now on.

        True if a line was added; False if the same was settled before. `agent_id` is needed only
        for a reservation that the ledger does not hold any more. A `timestamp` (unix seconds) must
        be in the present cycle, or in that of the reservation. Raises ReservationError if it
        ended otherwise, RecordError, LedgerError.
        """
        moment = int(self._now()) if timestamp is None else timestamp

        def decide(ledger: Memory | LedgerWriter) -> bool:
            hold = self._store.known.reservation(reserve)
            who = hold.agent_id if hold else agent_id
            ended = self._store.known.ending(reserve)
            if who is None:
                who = ended.agent_id if isinstance(ended, Settle) else None
            if who is None:
                raise no_reservation(reserve) if ended is None else ended_already(reserve, ended)
            # A name out of the ledger may be one that nobody may type: what was spent is recorded all the same.
            typed = who if who is agent_id else "recorded"
            usage = make_usage(typed, model, prompt_tokens, completion_tokens, timestamp=moment, **fields)
            settle = Settle(who, *msgspec.structs.astuple(usage)[1:], reserve=reserve)
            if ended is not None:
                if same_content(ended, settle):
                    return False
                raise ended_already(reserve, ended)
            known = self._store.known.known(settle)
            if known is not None:
                raise duplicate(usage.id)
            moments = (self._now(), hold.timestamp if hold else self._now())
            if timestamp is not None and not any(self._in_one_cycle(timestamp, then) for then in moments):
                raise in_another_cycle(timestamp)
            ledger.append(settle)
            return True

        check_text("reserve", reserve)
        return self._decided(decide)

    def release(self, reserve: str, *, again: bool = False) -> None:
        """Give a reservation back unused, by its id. Raises ReservationError if there is none, or it has ended.

        With `again` it may have been released already: a retry is safe.
        """
        check_text("reserve", reserve)

        def decide(ledger: Memory | LedgerWriter) -> None:
            ended = self._store.known.ending(reserve)
            if again and isinstance(ended, Release):
                return
            if ended is not None:
                raise ended_already(reserve, ended)
            if self._store.known.reservation(reserve) is None:
                raise no_reservation(reserve)
            ledger.append(Release(int(self._now()), reserve))

        self._decided(decide)

    def _decided(self, decide: Callable[[Memory | LedgerWriter], _Outcome]) -> _Outcome:
        """What is decided under the lock, once it is on the disk if that is wanted; then the warning, if it is due."""
        with self._mutex:
            transaction = self._store.transaction()
            try:
                with transaction:
                    if self._warned:
                        self._rearm()
                    outcome = decide(transaction)
            except RefusedError:
                self._warn()
                raise
            written = transaction.written()
            if written is None:
                self._warn()
                return outcome
        self._bring_to_disk(written)
        with self._mutex:
            self._warn()
        return outcome

    def _bring_to_disk(self, written: Written) -> None:
        error = written.bring_to_disk()
        if error is not None:
            with self._mutex:
                raise written.take_back(error) from error

    def check(self, agent_id: str, tokens: int = 1) -> RefusedError | None:
        """Would `tokens` counted tokens more be refused? The error that reporting them would raise, or None.

        Raises LedgerError where nothing could be recorded.
        """
        self.check_writable()
        return self.refusal(agent_id, tokens)

    def check_writable(self) -> None:
        """Raise LedgerError if nothing could be recorded, as far as can be seen without writing."""
        with self._mutex:
            self._store.check_writable()

    def refusal(self, agent_id: str, tokens: int = 1, *, unbooked: Iterable[Usage] = ()) -> RefusedError | None:
        """As `check`, but also where nothing can be recorded; `unbooked` calls count as if they were.

        Raises LedgerError where the ledger cannot be read.
        """
        check_count("tokens", tokens)
        with self._mutex:
            self._check_agent(agent_id)
            self._store.refresh()
            spending = Spending(self._config, self._store.totals, self._now(), unbooked=unbooked)
            return refusal(self._config, spending, agent_id, tokens)

    def _check_agent(self, agent_id: str) -> None:
        """RecordError unless an agent may have this name, or is recorded under it already."""
        try:
            check_name("agent_id", agent_id)
        except RecordError:
            check_name("agent_id", agent_id, is_recorded=True)
            self._store.refresh()
            if not any(agent_id in counters.spent for counters in self._store.totals.cycles.values()):
                raise

    def used_now(self) -> int:
        """Counted tokens used by everyone, as of the last charge or look of this tracker: nothing is read."""
        with self._mutex:
            return self._used()

    def get_total_used(self) -> int:
        """Counted tokens used by everyone since the last reset."""
        with self._mutex:
            self._store.refresh()
            return self._spending.by_all()

    def get_agent_usage(self, agent_id: str) -> int:
        """Counted tokens used by one agent, or by a family (`a/*`); 0 for one never seen."""
        with self._mutex:
            self._store.refresh()
            spending = self._spending
            if is_family(agent_id):
                return spending.by_family(agent_id)
            return spending.by_agent(spending.form_of(agent_id))

    def get_all_agent_totals(self) -> dict[str, int]:
        """Counted tokens of every agent used since the last reset."""
        with self._mutex:
            self._store.refresh()
            spending = self._spending
            return {agent_id: spending.by_agent(agent_id) for agent_id in spending.agents}

    def get_known_agents(self) -> set[str]:
        """Every agent that ever used something, whatever was reset."""
        with self._mutex:
            self._store.refresh()
            return self._store.totals.agents()

    def get_remaining_budget(self) -> int | None:
        """Counted tokens left, never negative; None if the budget is unlimited."""
        if not self._config.total_budget:
            return None
        return max(0, self._config.total_budget - self.get_total_used())

    def get_since(self) -> float | None:
        """Unix seconds of the last reset of everyone or of the cycle's beginning; None if there was neither."""
        with self._mutex:
            self._store.refresh()
            return since(self._store.totals, self._now())

    def get_cycle_start(self) -> float | None:
        """Unix seconds at which the present cycle began; None where no cycle is set."""
        with self._mutex:
            return self._store.totals.cycle(self._now())[0] if self._config.cycle else None

    def get_set_aside(self) -> tuple[Problem, ...]:
        """What of the ledger was set aside, and is not counted, as of the last look: nothing is read."""
        with self._mutex:
            return self._store.set_aside

    def get_last_reset(self) -> float | None:
        """Unix seconds of the last reset of everyone, clamped as `last_reset_at` does; None if there was none."""
        with self._mutex:
            self._store.refresh()
            return last_reset_at(self._store.totals, self._now())

    def get_status(self) -> Snapshot:
        """Everything at once. Models whose price was not looked up yet are looked up here."""
        with self._mutex:
            from budgauge.status.snapshot import take_snapshot

            self._store.refresh()
            prices = self._resolved_prices()
            return take_snapshot(
                self._store.totals,
                self._config,
                prices,
                now=self._now(),
                budget_is_default=self._budget_is_default,
                ledger=str(self._store.path or ""),
                problems=self._store.problems,
            )

    def update_config(self, config: BudgetConfig) -> None:
        """Go on with other rules; what was used stays."""
        with self._mutex:
            before, self._config, self._budget_is_default = self._config, config, False
            self._warning_at = warning_at(config)
            if (config.prices, config.price_factors) != (before.prices, before.price_factors):
                if self._prices is not None:
                    self._prices = self._prices.under(config.prices, config.price_factors)
                self._store.refold()
            if isinstance(self._store, Shared) and config.sync != before.sync:
                self._store.set_sync(config.sync)
            if config.cycle != before.cycle:
                self._store.set_cycle(config.cycle)
            self._store.refresh()
            self._rearm()

    def reset(
        self,
        agent_id: str | None = None,
        *,
        by: str = "library",
        id: str | None = None,
        expected_reset_id: str | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> str:
        """Start the counters afresh, for one agent, a family (`a/*`) or everyone; the reset's id, for `undo_reset`.

        With an `id` that a reset already has, nothing is added: a retry is safe. With
        `expected_reset_id`, the `reset_id` of a status (None: there was none), raises ResetError
        if the latest reset is another by now.
        """
        check_text("by", by)
        check_text("id", id)
        if agent_id is not None:
            with self._mutex:
                self._check_agent(agent_id)

        def decide(ledger: Memory | LedgerWriter) -> str:
            if id is not None and id in self._store.totals.reset_ids:
                return id
            if expected_reset_id is not msgspec.UNSET and self._store.totals.reset_id != expected_reset_id:
                raise reset_between()
            spending = self._spending
            used, who = min(spending.by_all(), MAX_COUNT), agent_id and spending.form_of(agent_id)
            reset = Reset(int(self._now()), id or os.urandom(8).hex(), who, by, used)
            ledger.append(reset)
            self._rearm()
            return reset.id

        return self._decided(decide)

    def undo_reset(self) -> str:
        """Take the latest reset back that took something away, keeping what was used since; its id.

        Later ones that took nothing go with it. Raises ResetError if there is none, or if it was
        made in an earlier cycle.
        """
        with self._mutex:
            self._store.refresh()
            if not self._store.exists:
                # Taking the lock would make the file.
                raise no_reset()

        def decide(ledger: Memory | LedgerWriter) -> str:
            resets = self._store.totals.to_undo()
            if not resets:
                raise nothing_taken() if self._store.totals.resets else no_reset()
            now = self._now()
            if self._config.cycle and resets[-1].timestamp < self._store.totals.cycle(now)[0]:
                raise reset_in_earlier_cycle()
            for reset in resets:
                ledger.append(UndoReset(int(now), reset.id))
            return resets[-1].id

        return self._decided(decide)

    @property
    def _spending(self) -> Spending:
        return Spending(self._config, self._store.totals, self._now())

    def _admit(self, agent_id: str, requested: int, spending: Spending) -> None:
        error = refusal(self._config, spending, agent_id, requested)
        if error is not None:
            raise error

    def _pricing_of(self, model: str) -> Pricing | None:
        if self._prices is None and self._store_is_memory:
            # Few programs ask what their calls cost; until one does, prices need not be looked up.
            return None
        return self._book().pricing_of(model)

    def _book(self) -> PriceBook:
        if self._prices is None:
            self._prices = PriceBook(
                self._config.prices, factors=self._config.price_factors, folder=self._cache or cache_folder()
            )
        return self._prices

    def _resolved_prices(self) -> PriceBook:
        """Prices of all models used, with the fold made for them."""
        first = self._prices is None and self._store_is_memory
        prices = self._book()
        if prices.resolve(self._store.totals.models()) or first:
            self._store.refold()
        return prices

    def _rearm(self) -> None:
        """Usage below the threshold: the next time it is reached is news again."""
        self._warned = self._warned and self._used() >= self._warning_at

    def _warn(self) -> None:
        """Log the warning once while usage stands at or over the threshold."""
        used = self._used()
        due = used >= self._warning_at
        if due and not self._warned:
            _log(warning_message(self._config, used))
        self._warned = due

    def _used(self) -> int:
        total, cached = self._store.totals.at(self._now()).spent_by_all
        return self._config.counted(total, cached)


def _log(warning: str) -> None:
    import logging

    logging.getLogger("budgauge").warning("%s", warning)

"""The budget in force: rules and ledger together, for programs that ask before they spend."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from budgauge.budget import Spending, refusal, warning_due, warning_message
from budgauge.config import BudgetConfig
from budgauge.errors import DuplicateIdError, LedgerError, RefusedError, ResetError
from budgauge.pricing import PriceBook, cache_folder
from budgauge.records import Record, Reset, UndoReset, Usage, check_count, check_name, check_record, make_usage
from budgauge.snapshot import Problem, Snapshot, ledger_problems, take_snapshot
from budgauge.text import safe
from budgauge.totals import Bucket, BucketOf, Totals

Now = Callable[[], float]


class _Memory:
    """Records kept in this process alone."""

    path: Path | None = None
    exists = True

    def __init__(self, bucket_of: BucketOf) -> None:
        self.totals = Totals(bucket_of)
        self.problems: tuple[Problem, ...] = ()
        self._bucket_of = bucket_of
        self._records: list[Record] = []

    def refresh(self) -> None:
        """Nothing can be new."""

    def refold(self) -> None:
        """Fold afresh, with other price buckets."""
        self.totals = Totals(self._bucket_of)
        self.totals.add(self._records)

    @contextmanager
    def transaction(self) -> Iterator[Callable[[Record], None]]:
        """Append to the fold itself."""

        def append(record: Record) -> None:
            self._records.append(record)
            self.totals.add([record])

        yield append


class _Shared:
    """Records in a ledger file, shared by all processes."""

    def __init__(self, path: Path, bucket_of: BucketOf, *, sync: bool) -> None:
        from budgauge.ledger.reader import LedgerReader

        self.path = path
        self.sync = sync
        self._reader = LedgerReader(path, bucket_of)

    @property
    def totals(self) -> Totals:
        """The fold of what was read."""
        return self._reader.totals

    @property
    def exists(self) -> bool:
        """Was there a file at the last refresh?"""
        return self._reader.exists

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What of the file was set aside."""
        return ledger_problems(self._reader)

    def refresh(self) -> None:
        """Fold in what others added."""
        self._reader.refresh()

    def refold(self) -> None:
        """Fold afresh, with other price buckets."""
        self._reader.refold()

    @contextmanager
    def transaction(self) -> Iterator[Callable[[Record], None]]:
        """Hold the lock, with everything that others wrote folded in."""
        from budgauge.ledger.append import locked

        if not self._reader.exists:
            # The long first reading is not for the time when others wait; what is wrong shows under the lock.
            with suppress(LedgerError):
                self._reader.refresh()
        with locked(self.path, sync=self.sync) as ledger:
            ledger.seal()
            self._reader.refresh(ledger.fd)

            def append(record: Record) -> None:
                ledger.append(record)
                self._reader.refresh(ledger.fd)

            yield append


class TokenBudgetTracker:
    """Reports usage against a budget, refuses what would exceed it, warns once at the threshold.

    `TokenBudgetTracker(config)` counts in memory; `TokenBudgetTracker.open()` shares a ledger
    with all processes. Safe to use from several threads.
    """

    def __init__(
        self, config: BudgetConfig | None = None, *, ledger: str | os.PathLike[str] | None = None, now: Now = time.time
    ) -> None:
        self._config = config or BudgetConfig()
        self._prices: PriceBook | None = None
        self._budget_is_default = False
        sync = self._config.sync
        self._store = _Memory(self._bucket_of) if ledger is None else _Shared(Path(ledger), self._bucket_of, sync=sync)
        self._now = now
        self._mutex = threading.RLock()
        self._warned = False

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
        fields: `id`, `cached_tokens`, `cache_write_tokens`, `cache_write_1h_tokens`,
        `reasoning_tokens`, `session`, `project`, `source`. Raises AgentLimitExceededError or
        BudgetExceededError (nothing is recorded), RecordError for a field that is not allowed,
        DuplicateIdError for a known id with other content, LedgerError if it cannot be written.
        """
        moment = int(self._now()) if timestamp is None else timestamp
        usage = make_usage(agent_id, model, prompt_tokens, completion_tokens, timestamp=moment, **fields)
        return self.report(usage, spent=spent)

    def report(self, usage: Usage, *, spent: bool = False) -> bool:
        """`report_usage` for a record that is made already."""
        check_record(usage)
        with self._mutex:
            try:
                added = self._record(usage, spent)
            except RefusedError:
                self._warn()
                raise
            self._warn()
            return added

    def _record(self, usage: Usage, spent: bool) -> bool:
        with self._store.transaction() as append:
            self._rearm()
            known = self._store.totals.known(usage)
            if known is False:
                raise DuplicateIdError(
                    f"id {usage.id!r} is in the ledger already, with other content",
                    hint="Use one id a call; retries must repeat the same call.",
                )
            if known is None:
                if not spent:
                    self._admit(usage.agent_id, self._config.counted(usage.total_tokens, usage.cached_tokens or 0))
                append(usage)
            return known is None

    def check(self, agent_id: str, tokens: int = 1) -> RefusedError | None:
        """Would `tokens` counted tokens more be refused? The error that reporting them would raise, or None."""
        check_name("agent_id", agent_id)
        check_count("tokens", tokens)
        with self._mutex:
            self._store.refresh()
            return refusal(self._config, self._spending, agent_id, tokens)

    def get_total_used(self) -> int:
        """Counted tokens used by everyone since the last reset."""
        with self._mutex:
            self._store.refresh()
            return self._spending.by_all()

    def get_agent_usage(self, agent_id: str) -> int:
        """Counted tokens used by one agent; 0 for one never seen."""
        with self._mutex:
            self._store.refresh()
            return self._spending.by_agent(agent_id)

    def get_all_agent_totals(self) -> dict[str, int]:
        """Counted tokens of every agent used since the last reset."""
        with self._mutex:
            self._store.refresh()
            return {agent_id: self._spending.by_agent(agent_id) for agent_id in self._store.totals.spent}

    def get_remaining_budget(self) -> int | None:
        """Counted tokens left, never negative; None if the budget is unlimited."""
        if not self._config.total_budget:
            return None
        return max(0, self._config.total_budget - self.get_total_used())

    def get_since(self) -> float | None:
        """Unix seconds of the last reset of everyone; None if there was none."""
        with self._mutex:
            self._store.refresh()
            return self._store.totals.since

    def get_status(self) -> Snapshot:
        """Everything at once. Models whose price was not looked up yet are looked up here."""
        with self._mutex:
            self._store.refresh()
            prices = self._resolved_prices()
            return take_snapshot(
                self._store.totals,
                self._config,
                prices,
                budget_is_default=self._budget_is_default,
                ledger=str(self._store.path or ""),
                problems=self._store.problems,
            )

    def update_config(self, config: BudgetConfig) -> None:
        """Go on with other rules; what was used stays."""
        with self._mutex:
            if config.prices != self._config.prices:
                self._prices = None
            self._config, self._budget_is_default = config, False
            if isinstance(self._store, _Shared):
                self._store.sync = config.sync
            self._store.refresh()
            self._rearm()

    def reset(self, agent_id: str | None = None, *, by: str = "library") -> str:
        """Start the counters afresh, for one agent or for everyone; the reset's id, for `undo_reset`."""
        if agent_id is not None:
            check_name("agent_id", agent_id)
        with self._mutex, self._store.transaction() as append:
            used = self._spending.by_all()
            reset = Reset(int(self._now()), os.urandom(8).hex(), agent_id, by, used)
            append(reset)
            self._rearm()
            return reset.id

    def undo_reset(self) -> str:
        """Take the latest reset back, keeping what was used since; its id. ResetError if there is none."""
        with self._mutex:
            self._store.refresh()
            if not self._store.exists:
                # Taking the lock would make the file.
                raise _no_reset()
            with self._store.transaction() as append:
                reset_id = self._store.totals.reset_id
                if reset_id is None:
                    raise _no_reset()
                append(UndoReset(int(self._now()), reset_id))
                return reset_id

    @property
    def _spending(self) -> Spending:
        return Spending(self._config, self._store.totals)

    def _admit(self, agent_id: str, requested: int) -> None:
        error = refusal(self._config, self._spending, agent_id, requested)
        if error is not None:
            raise error

    def _bucket_of(self, model: str) -> Callable[[int, float], Bucket] | None:
        return self._prices.bucket_of(model) if self._prices else None

    def _resolved_prices(self) -> PriceBook:
        """Prices of all models used, with the fold's buckets made for them."""
        first = self._prices is None
        prices = self._prices = self._prices or PriceBook(self._config.prices, folder=cache_folder())
        changed = prices.resolve({model for _, model, _ in self._store.totals.groups})
        if first or changed:
            self._store.refold()
        return prices

    def _rearm(self) -> None:
        """Usage below the threshold: the next time it is reached is news again."""
        if not warning_due(self._config, self._spending.by_all()):
            self._warned = False

    def _warn(self) -> None:
        """Log the warning once while usage stands at or over the threshold."""
        used = self._spending.by_all()
        due = warning_due(self._config, used)
        if due and not self._warned:
            _log(warning_message(self._config, used))
        self._warned = due


def _no_reset() -> ResetError:
    return ResetError("There is no reset to undo.", hint="Only a reset not yet undone can be undone, once.")


def _log(warning: str) -> None:
    import logging

    logging.getLogger("budgauge").warning("%s", warning)

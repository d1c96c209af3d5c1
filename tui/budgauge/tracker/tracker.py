"""The tracker: a budget's rules and ledger together, for programs with calls to admit."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from budgauge.accounting.family import is_family
from budgauge.accounting.limits import BudgetUsage, warning_at, warning_message
from budgauge.accounting.record_checks import check_count, check_name, check_record, check_text, check_ttl, make_usage
from budgauge.accounting.records import Reserve, Reset, Settle, Usage
from budgauge.accounting.reservation import Hold
from budgauge.accounting.usage_sums import counted_parts
from budgauge.authority.folded import new_id
from budgauge.config import BudgetConfig
from budgauge.errors import RefusedError
from budgauge.text import safe

if TYPE_CHECKING:
    from budgauge.authority.authority import Authority
    from budgauge.status.snapshot import Snapshot

Now = Callable[[], float]
_Outcome = TypeVar("_Outcome")
_trackers: weakref.WeakSet[TokenBudgetTracker] = weakref.WeakSet()


def _free_mutexes() -> None:
    """Give a forked child new mutexes: the thread holding an old one exists only in the parent."""
    for tracker in list(_trackers):
        tracker._mutex = threading.RLock()


os.register_at_fork(after_in_child=_free_mutexes)


class TokenBudgetTracker:
    """A tracker of usage against a budget: refuses calls past the budget, warns once at the threshold.

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
        authority: Authority | None = None,
    ) -> None:
        """Take a config, a ledger's path and a `cache` folder for rebuildable data, by default the user's.

        An `authority` replaces the one made from config and ledger.
        """
        self._authority = authority or _authority(config or BudgetConfig(), ledger, now, cache)
        self._now = now
        self._mutex = threading.RLock()
        self._warned: set[int] = set()
        """The numbers of the authority's budgets at or over their threshold at the last check."""
        _trackers.add(self)

    @classmethod
    def with_defaults(cls) -> TokenBudgetTracker:
        """Return a tracker in memory: 1,000,000 tokens, warning at 80 %."""
        return cls(BudgetConfig())

    @classmethod
    def open(cls, *, config: str | None = None, ledger: str | None = None) -> TokenBudgetTracker:
        """Return a tracker with config and ledger as the command line finds them; the config's warnings are logged.

        In a project with a budget of its own, the user's budget must admit a call as well, unless `config` or
        `ledger` names another. Raises ConfigError.
        """
        from budgauge.authority.both import authority_of
        from budgauge.config.both import budgets_asked
        from budgauge.config.load import Options

        budgets = budgets_asked(Options(config=config, ledger=ledger))
        for warning in dict.fromkeys(warning for loaded in budgets for warning in loaded.warnings):
            _log(safe(warning))
        return cls(authority=authority_of(budgets))

    @property
    def config(self) -> BudgetConfig:
        """The budget's rules."""
        return self._authority.config

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
        """Record a call if admitted by the budget; return True if a line was added, False for a known `id`.

        `spent=True` records the call whatever the budget says, because it was spent already. Optional
        fields: `id`, `alias`, `cached_tokens`, `cache_write_tokens`, `cache_write_1h_tokens`,
        `reasoning_tokens`, `session`, `project`, `source`, `service_tier`,
        `speed`, `inference_geo`, `web_search_requests`. Raises AgentLimitExceededError or
        BudgetExceededError (nothing is recorded), RecordError for a wrong field or a
        `timestamp` (unix seconds) in another cycle than the present one without `spent=True`,
        DuplicateIdError for a known id with other content, LedgerError if the line cannot be written.
        """
        moment = int(self._now()) if timestamp is None else timestamp
        usage = make_usage(agent_id, model, prompt_tokens, completion_tokens, timestamp=moment, **fields)
        return self._report(usage, spent, is_dated=timestamp is not None)

    def report(self, usage: Usage, *, spent: bool = False) -> bool:
        """Record a call as `report_usage` does, from a finished record."""
        check_record(usage)
        return self._report(usage, spent, is_dated=True)

    def _report(self, usage: Usage, spent: bool, *, is_dated: bool) -> bool:
        return self._decided(lambda: self._authority.report(usage, spent=spent, is_dated=is_dated), usage)

    def reserve(self, agent_id: str, tokens: int, ttl: float = 600, *, id: str | None = None) -> Hold[bool]:
        """Hold 1 or more counted tokens for a call to come, for at most `ttl` seconds, if the budget admits them.

        Use the hold as a context manager: without a settlement, its end releases the hold. With a
        known `id` nothing is added; a retry after a crash is safe. Raises as `report_usage`, and
        ReservationError if the reservation with this `id` has ended or expired.
        """
        check_name("agent_id", agent_id)
        check_count("tokens", tokens, least=1)
        check_text("id", id)
        now = self._now()
        reserve = Reserve(int(now), id or new_id(), agent_id, tokens, check_ttl(now, ttl))
        return Hold(self, self._decided(lambda: self._authority.reserve(reserve)))

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
        """End a reservation, by id, with the real usage, even if late or larger; the usage counts from now on.

        Returns True if a line was added; False if the same was settled before. `agent_id` is needed only
        for a reservation no longer in the ledger. A `timestamp` (unix seconds) must be in the present
        cycle or the reservation's. Raises ReservationError if the reservation ended otherwise,
        RecordError, LedgerError.
        """
        check_text("reserve", reserve)
        moment = int(self._now()) if timestamp is None else timestamp
        # The agent's name may come from the ledger, and be refused as a typed one.
        usage = make_usage("recorded", model, prompt_tokens, completion_tokens, timestamp=moment, **fields)
        settle = Settle(agent_id or "", *msgspec.structs.astuple(usage)[1:], reserve=reserve)
        return self._decided(lambda: self._authority.settle(settle, is_dated=timestamp is not None), settle)

    def release(self, reserve: str, *, again: bool = False) -> None:
        """Give a reservation back unused, by id. Raises ReservationError if unknown or ended.

        With `again`, an earlier release is no error: a retry is safe.
        """
        check_text("reserve", reserve)
        self._decided(lambda: self._authority.release(reserve, again=again))

    def _decided(self, ask: Callable[[], _Outcome], usage: Usage | None = None) -> _Outcome:
        """Return the authority's decision; warn if due. `usage` is added if the decision is True."""
        try:
            outcome = ask()
        except RefusedError:
            self._warn(None)
            raise
        self._warn(usage if outcome is True else None)
        return outcome

    def check(self, agent_id: str, tokens: int = 1) -> RefusedError | None:
        """Return the refusal of `tokens` more counted tokens; None if admitted.

        Raises LedgerError if the ledger cannot be written.
        """
        return self._authority.check(agent_id, tokens)

    def used_now(self) -> int:
        """Return the counted tokens used by everyone, as of this tracker's last decision or reading."""
        return self._authority.usages(refreshed=False)[0].by_all()

    def get_total_used(self) -> int:
        """Return the counted tokens used by everyone since the last reset."""
        return self._usage.by_all()

    def get_agent_usage(self, agent_id: str) -> int:
        """Return the counted tokens used by one agent, or by a family (`a/*`); 0 for one never seen."""
        used = self._usage
        return used.by_family(agent_id) if is_family(agent_id) else used.by_agent(used.form_of(agent_id))

    def get_all_agent_totals(self) -> dict[str, int]:
        """Return the counted tokens of every agent used since the last reset."""
        used = self._usage
        return {agent_id: used.by_agent(agent_id) for agent_id in used.agents}

    def get_remaining_budget(self) -> int | None:
        """Return the counted tokens left, never negative; None if the budget is unlimited."""
        if not self.config.total_budget:
            return None
        return max(0, self.config.total_budget - self.get_total_used())

    def get_since(self) -> float | None:
        """Return the unix seconds of the last reset of everyone or of the cycle's beginning; None without either."""
        return self.get_status().since

    def get_status(self) -> Snapshot:
        """Return everything at once. Missing prices are looked up here."""
        return self._authority.state()

    def update_config(self, config: BudgetConfig) -> None:
        """Change the rules; usage stays."""
        self._authority.set_config(config)
        with self._mutex:
            usages = enumerate(self._authority.usages())
            self._warned &= {number for number, usage in usages if usage.by_all() >= warning_at(config)}

    def reset(
        self,
        agent_id: str | None = None,
        *,
        by: str = "library",
        id: str | None = None,
        expected_reset_id: str | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> str:
        """Reset the counters of one agent, a family (`a/*`) or everyone; return the reset's id.

        With the `id` of an earlier reset nothing is added: a retry is safe. With `expected_reset_id`,
        the `reset_id` of a status (None: there was none), raises ResetError if the latest reset is
        another by now.
        """
        check_text("by", by)
        check_text("id", id)
        reset = Reset(int(self._now()), id or new_id(), agent_id, by)
        return self._decided(lambda: self._authority.reset(reset, expected_reset_id))

    def undo_reset(self) -> str:
        """Undo the latest reset of some usage, keeping later usage; return the reset's id.

        Later resets without usage are undone too. Raises ResetError if there is none, or if the reset was
        made in an earlier cycle.
        """
        return self._decided(self._authority.undo_reset)

    @property
    def _usage(self) -> BudgetUsage:
        return self._authority.usages()[0]

    def _warn(self, added: Usage | None) -> None:
        """Log each budget's warning once while usage stands at or over the threshold."""
        warnings, parts = [], counted_parts(added) if added else (0, 0)
        with self._mutex:
            for number, usage in enumerate(self._authority.usages(refreshed=False)):
                used, at = usage.by_all(), warning_at(usage.config)
                # Usage below the threshold before, as after a reset by another process, warns again.
                if used >= at and (number not in self._warned or used - usage.config.counted(*parts) < at):
                    warnings.append(warning_message(usage.config, used))
                (self._warned.add if used >= at else self._warned.discard)(number)
        for warning in warnings:
            _log(warning)


def _authority(config: BudgetConfig, ledger: str | os.PathLike[str] | None, now: Now, cache: Path | None) -> Authority:
    # Loaded where needed: each import slows a program's start.
    if ledger is None:
        from budgauge.authority.memory import Memory

        return Memory(config, now, cache)
    from budgauge.authority.local import Local

    return Local(config, Path(ledger), now=now, cache=cache)


def _log(warning: str) -> None:
    import logging

    logging.getLogger("budgauge").warning("%s", warning)

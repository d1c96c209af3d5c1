"""Search for sessions that spent today without calling the gate, though hooks were in force."""

from __future__ import annotations

from pathlib import Path

import msgspec

from budgauge.accounting.billing_cycle import midnight
from budgauge.config import BudgetConfig
from budgauge.sources.unasked.asked import FORGET_SECONDS, Hook, has_asked, hooked_since, read_hooks
from budgauge.sources.unasked.spent import Spent, read_spent
from budgauge.status.unasked import UnaskedSession


class Unasked(msgspec.Struct, frozen=True):
    """A session, with the folder in which the session began."""

    row: UnaskedSession
    source: str
    folder: str
    """Where it began; empty where that is not known."""


def find_unasked(cache: Path, ledger: Path, config: BudgetConfig, now: float) -> tuple[Unasked, ...]:
    """Return the sessions that spent since local midnight without calling the gate, most spent first.

    Only those that a collector of this user brought into `ledger`; `now` is unix seconds.
    """
    sessions = read_spent(cache, ledger)
    hooks = read_hooks(cache) if sessions else []
    if not hooks:
        return ()
    today = midnight(now)
    found = [
        Unasked(
            UnaskedSession(session=one.origin.session, agent_id=one.agent_id, used=used), one.source, one.origin.folder
        )
        for one in sessions
        if (used := config.counted(*one.since(today)))
        and _should_ask(one, hooks, now)
        and not has_asked(cache, one.origin.session)
    ]
    return tuple(sorted(found, key=lambda one: (-one.row.used, one.row.session)))


def _should_ask(one: Spent, hooks: list[Hook], now: float) -> bool:
    """Return True if hooks called when the session began, and a call would still be known."""
    origin = one.origin
    since = hooked_since(hooks, one.source, origin.home, origin.folder)
    return since is not None and max(since, now - FORGET_SECONDS) <= origin.begun <= now


class UnaskedWatch:
    """Sessions of a ledger without a call, searched again at most once a second."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self.rows: tuple[UnaskedSession, ...] = ()
        """As of the last search."""
        self._searched_at: float | None = None

    def refresh(self, ledger: Path, config: BudgetConfig, now: float, monotonic: float) -> bool:
        """Search again, unless done within this second; True if something changed."""
        if self._searched_at is not None and 0 <= monotonic - self._searched_at < 1:
            return False
        self._searched_at = monotonic
        before, self.rows = self.rows, tuple(one.row for one in find_unasked(self._cache, ledger, config, now))
        return self.rows != before

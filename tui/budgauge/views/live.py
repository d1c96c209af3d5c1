"""The live view: config and ledger together, always the latest, never an exception."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from budgauge.authority.local import Local
from budgauge.config import BudgetConfig
from budgauge.config.find import left_behind
from budgauge.config.load import Loaded, Options, load, working_folder
from budgauge.errors import BudgaugeError, LedgerError
from budgauge.files.cache import cache_folder
from budgauge.ledger.glance import Glance
from budgauge.ledger.ledger import Ledger
from budgauge.pricing.model_price import ModelPrice
from budgauge.pricing.price_book import lookup, lookup_in_child
from budgauge.sources.unasked.search import UnaskedWatch
from budgauge.status.kept_rows import KeptRows
from budgauge.status.row import CycleRow
from budgauge.status.snapshot import Snapshot, cycle_rows, take_snapshot
from budgauge.tracker.tracker import TokenBudgetTracker
from budgauge.views.config_watch import SETTLE_SECONDS as SETTLE_SECONDS
from budgauge.views.config_watch import ConfigWatch, change_of_budget
from budgauge.views.scan import AgentScan, Span, TimeScan

NOTICE_SECONDS = 60.0
"""The lifetime of a notice of a reread ledger."""
CHANGE_NOTICE_SECONDS = 600.0
"""The lifetime of a notice of another budget or ledger: often nobody looks during a checkout."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """All a screen shows at one moment."""

    snapshot: Snapshot
    config: BudgetConfig
    config_trouble: str | None = None
    """The reason why the config cannot be read now; the last good one stays in force."""
    ledger_trouble: str | None = None
    """The reason why the ledger cannot be read now."""
    notices: tuple[str, ...] = ()
    """Notices: unknown config keys, a ledger replaced and read afresh."""
    ledger_exists: bool = True
    budget_of: Literal["", "user", "project"] = ""
    """The budget's owner; empty where a config was named, and from a plain observer."""
    user: View | None = None
    """The user's own budget beside a project's."""


class Observer:
    """An observer of config and ledger: each look reads the new parts. For one thread at a time.

    The constructor raises ConfigError for a wrong config; later, the last good one stays.
    """

    def __init__(
        self,
        options: Options = Options(),
        *,
        env: Mapping[str, str] | None = None,
        start: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
        lookup: bool = True,
        cache: Path | None = None,
        read: Callable[..., Loaded] | None = None,
        keeps_project: bool = False,
    ) -> None:
        """Take the options of the config; `lookup` allows lookups of missing prices in a child process.

        `cache` keeps found prices, by default the user's cache folder. `read` loads the config in the
        place of `load`. With `keeps_project` a project's config stays in force when the file is gone;
        else the user's own replaces it, with a notice.
        """
        # Taken once: the working directory may be removed later.
        folder = working_folder() if start is None else start
        self._watch = ConfigWatch(
            lambda: (read or load)(options, env=env, start=folder), monotonic, keeps_project=keeps_project
        )
        self._monotonic = monotonic
        self._clock = clock
        self._taken_at = 0.0
        self._cache = cache or cache_folder()
        self._lookup = _Lookup()
        self._looks_up = lookup
        self._restarted_at: float | None = None
        self._change: str | None = None
        self._changed_at = 0.0
        self._view: View | None = None
        self._glance = Glance()
        self._rows = KeptRows()
        self._unasked = UnaskedWatch(self._cache)
        self._left_behind = left_behind(self.loaded.ledger)
        self.authority = Local(self.loaded.config, self.loaded.ledger.path, now=clock, cache=self._cache)
        """The authority of the budget shown, and the reader of the ledger."""
        self._changed = True
        self._read: tuple[Ledger, int] | None = None

    @property
    def user_loaded(self) -> Loaded | None:
        """The user's own config, where read beside a project's; else None."""
        return None

    @property
    def loaded(self) -> Loaded:
        """The config in force, with the origin of each value."""
        return self._watch.loaded

    def look(self) -> View:
        """Return the present view; the same object if nothing changed. Never raises: the view holds all troubles."""
        before = self.loaded
        if self._watch.poll():
            self._take_config(before)
        self._glance.at(self._ledger.path)
        with self.authority.mutex:
            restarts = self._ledger.restarts
            trouble = self._refresh()
            if self._ledger.restarts != restarts:
                self._restarted_at = self._monotonic()
            self._take_prices()
            if self._looks_up:
                self._lookup.begin(self._missing_prices())
            self._view = self._compose(trouble)
        return self._view

    @property
    def looks_up_prices(self) -> bool:
        """Return True while prices are being looked up."""
        return self._lookup.is_busy

    def cycles(self) -> tuple[CycleRow, ...]:
        """Return every cycle with usage as of the last look, the latest first; empty where no cycle is set."""
        config = self.loaded.config
        return cycle_rows(self.authority.totals, config, self.authority.prices, self._clock()) if config.cycle else ()

    def ledger_size(self) -> int:
        """Return the ledger's bytes on the disk; 0 where there is none."""
        try:
            return os.stat(self.loaded.ledger.path).st_size
        except OSError:
            return 0

    def agent_scan(self, key: str, *, is_family: bool) -> AgentScan:
        """Return a reading of one agent or family in detail, under the config in force."""
        loaded, prices = self.loaded, self.authority.prices
        return AgentScan(loaded.ledger.path, loaded.config, prices, key, is_family=is_family, clock=self._clock)

    def time_scan(self, chart: Span, counters: Span) -> TimeScan:
        """Return a reading of everything by steps of time, under the config in force."""
        return TimeScan(self.loaded.ledger.path, self.loaded.config, self.authority.prices, chart, counters)

    def resolve_prices(self) -> None:
        """Look up missing prices here and now."""
        self._refresh()
        self.authority.learn(lookup(self._missing_prices()))
        self._changed = True

    def folders(self) -> tuple[Path, ...]:
        """Return the folders to watch: the ledger's and the config files'."""
        folders = [self.loaded.ledger.path.parent, *(path.parent for path in self.loaded.files)]
        return tuple(dict.fromkeys(folder for folder in folders if os.path.isdir(folder)))

    @property
    def glance(self) -> Callable[[], object]:
        """A cheap function with another result once the ledger has grown since the last look."""
        return self._glance.size

    def reset(self, agent_id: str | None = None) -> str:
        """Reset counters; return the reset's id. Raises BudgaugeError. Safe from any thread."""
        return TokenBudgetTracker(authority=self.authority).reset(agent_id, by="monitor")

    def undo_reset(self) -> str:
        """Undo the latest reset; return the reset's id. Raises ResetError, LedgerError. Safe from any thread."""
        return self.authority.undo_reset()

    def _take_config(self, before: Loaded) -> None:
        """Go on under another config; the same ledger's state stays until the ledger is read again."""
        if (change := change_of_budget(before, self.loaded)) is not None:
            self._change, self._changed_at = change, self._monotonic()
        self.authority.set_config(self.loaded.config)
        if self._ledger.path != self.loaded.ledger.path:
            self._left_behind = left_behind(self.loaded.ledger)
            self.authority.move_to(self.loaded.ledger.path)
        self._changed = True

    @property
    def _ledger(self) -> Ledger:
        return self.authority.ledger

    def _refresh(self) -> str | None:
        """Read new lines; return the trouble with the ledger."""
        trouble = None
        try:
            self.authority.refresh()
        except LedgerError as error:
            trouble = str(error)
        # Others may have refreshed the same ledger: a tracker of the server, a reset.
        read = self._ledger, self._ledger.changes
        self._changed |= read != self._read
        self._read = read
        return trouble

    def _missing_prices(self) -> set[str]:
        return self.authority.prices.missing(self.authority.totals.models())

    def _take_prices(self) -> None:
        found = self._lookup.take()
        if found:
            self.authority.learn(found)
            self._changed = True
            self._refresh()

    def _compose(self, trouble: str | None) -> View:
        old = self._view
        now = self._clock()
        loaded = self.loaded
        self._changed |= self._unasked.refresh(loaded.ledger.path, loaded.config, now, self._monotonic())
        if old is not None:
            over = old.snapshot.stale_at is not None and now >= old.snapshot.stale_at
            # A clock put back brings the past back, too.
            self._changed |= over or now < self._taken_at
        snapshot = old.snapshot if old and not self._changed else self._snapshot(now)
        self._changed = False
        view = View(
            snapshot=snapshot,
            config=self.loaded.config,
            config_trouble=self._watch.trouble,
            ledger_trouble=trouble,
            notices=self._notices(),
            ledger_exists=self._ledger.exists,
        )
        unchanged = old is not None and old.snapshot is snapshot and old == view
        return old if old is not None and unchanged else view

    def _snapshot(self, now: float) -> Snapshot:
        self._taken_at = now
        totals, prices = self.authority.totals, self.authority.prices
        return take_snapshot(
            totals,
            self.loaded.config,
            prices,
            now=now,
            budget_is_default=self.loaded.budget_is_default,
            ledger=self.authority.name,
            problems=self.authority.problems,
            rows=self._rows.take(totals, self.loaded.config, prices, now),
            unasked=self._unasked.rows,
        )

    def _notices(self) -> tuple[str, ...]:
        notices = list(self.loaded.warnings)
        if self._change is not None and self._monotonic() - self._changed_at < CHANGE_NOTICE_SECONDS:
            notices.insert(0, self._change)
        if self._left_behind:
            notices.append(f"another ledger, {self._left_behind}, is not counted here: the default place has moved")
        if self._restarted_at is not None and self._monotonic() - self._restarted_at < NOTICE_SECONDS:
            notices.append("The ledger file was replaced, cut or removed; it was read afresh from its start.")
        if self._lookup.failed:
            notices.append(f"Prices could not be looked up: {self._lookup.failed}")
        return tuple(notices)


class _Lookup:
    """A lookup of prices in a short-lived process, because the price table would stay in memory for good."""

    def __init__(self) -> None:
        self.failed: str | None = None
        """The reason why the last lookup failed."""
        self._asked: set[str] = set()
        self._found: dict[str, ModelPrice | None] | None = None
        self._thread: threading.Thread | None = None

    def begin(self, models: set[str]) -> None:
        """Begin a lookup of models not tried before, unless one is under way."""
        new = models - self._asked
        if new and self._thread is None:
            self._asked |= new
            self._thread = threading.Thread(target=self._run, args=(new,), name="budgauge-prices", daemon=True)
            self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Return True while a lookup is under way or a result was not taken."""
        return self._thread is not None

    def take(self) -> dict[str, ModelPrice | None] | None:
        """Return a finished lookup's prices, once."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread = None
        found, self._found = self._found, None
        return found

    def _run(self, models: set[str]) -> None:
        try:
            self._found = lookup_in_child(models)
            self.failed = None
        except BudgaugeError as error:
            self.failed = str(error)

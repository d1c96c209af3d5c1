"""Collection of the calls in agents' own session logs: once, or as they happen."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from budgauge.accounting.records import Usage
from budgauge.errors import BudgaugeError
from budgauge.sources.cursors import CursorFile
from budgauge.sources.importer import Importer, Outcome
from budgauge.sources.lock import only_collector
from budgauge.sources.log import Counts, Log
from budgauge.sources.report import Report
from budgauge.sources.source import Source

if TYPE_CHECKING:
    from budgauge.sources.dry_run import DryRun
    from budgauge.sources.unasked.spent import SpentFile

KEEP_SECONDS = 2.0
"""Between two writes of the cursors while logs are read."""


class Collector:
    """Reads the new lines of all sources at every pass. Used by one thread at a time."""

    def __init__(
        self,
        sink: Importer | DryRun,
        sources: Sequence[Source],
        *,
        since: float | None = None,
        only_below: Path | None = None,
        lock_path: Path | None = None,
        cursors: CursorFile | None = None,
        spent: SpentFile | None = None,
    ) -> None:
        """`since` leaves out calls older than these unix seconds; None takes all.

        `only_below` takes only sessions whose working directory lies inside that folder.
        `lock_path` keeps a second collector of the same ledger away; None, for a dry run, keeps
        nobody away. `cursors` keeps how far the logs are imported; None keeps nothing.
        `spent`, which `sink` counts for, keeps the recent usage of sessions; None keeps nothing.
        """
        self._sink = sink
        self._cursors = cursors
        self._spent = spent
        self._kept_at, self._kept_changes = 0.0, 0
        self._sources = tuple(sources)
        # Calls carry whole seconds: one made in this second counts as made from here on.
        self._since = None if since is None else math.floor(since)
        self._only_below = os.path.realpath(only_below) if only_below is not None else None
        self._inside: dict[str | None, bool] = {}
        self._lock_path = lock_path
        self._new: Counter[tuple[str, Outcome]] = Counter()
        """(source, outcome) → calls."""
        self._trouble: str | None = None
        self._begun = False
        """True once every log was checked."""

    def collect(self) -> Report:
        """Collect everything once. Raises as the sink, and SourceError if another collector is at work."""
        with self.alone():
            self._pass(None)
        return self.report()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only collector of the ledger, and go on from where the last one was.

        Raises BusyError if another one is at work, SourceError, LedgerReadError.
        """
        self._begun = False
        with only_collector(self._lock_path):
            if self._cursors is not None:
                cursors = self._cursors.read()
                for source in self._sources:
                    source.cursors = dict(cursors.get(source.name, {}))
            if self._spent is not None:
                self._spent.read()
            try:
                yield
            finally:
                self._keep()

    def _keep(self) -> None:
        changes = sum(source.changes for source in self._sources)
        if self._cursors is not None and changes != self._kept_changes:
            self._cursors.write({source.name: source.cursors for source in self._sources})
            self._kept_at, self._kept_changes = time.monotonic(), changes
        if self._spent is not None:
            self._spent.write()

    def report(self) -> Report:
        """Return what was recorded so far."""
        notes = tuple(note for source in self._sources for note in source.notes())
        totals = (
            msgspec.structs.replace(of.total(), calls=self._new[of.name, "recorded"], grown=self._new[of.name, "grown"])
            for of in self._sources
        )
        return Report(sources=tuple(totals), notes=notes, trouble=self._trouble)

    def folders(self) -> list[Path]:
        """Return the roots of all sources."""
        return [folder for source in self._sources for folder in source.format.roots]

    def step(self, changed: frozenset[str], stop: threading.Event) -> None:
        """Import what is new; of all logs the first time, and after trouble. Trouble goes into the report.

        `changed` names paths that may have changed; an empty set means that nobody knows.
        """
        try:
            self._pass(changed if self._begun and not self._trouble else None, stop)
            self._begun = True
            self._trouble = None
        except BudgaugeError as error:
            self._trouble = str(error)

    def _pass(self, changed: frozenset[str] | None, stop: threading.Event | None = None) -> None:
        for source in self._sources:
            with closing(source.news(changed, self._since)) as news:
                for log, calls in news:
                    self._keep_on_the_way()
                    wanted = [call for call in calls if self._takes(call, log)]
                    if wanted:
                        self._import(source, log, wanted)
                    if stop is not None and stop.is_set():
                        return
        self._keep_on_the_way()

    def _import(self, source: Source, log: Log, calls: Sequence[Usage]) -> None:
        try:
            self._note(source, log, Counter(self._sink.add(calls)))
        finally:
            if self._spent is not None:
                self._spent.add(log.path, lambda: source.origin(log.path))

    def _keep_on_the_way(self) -> None:
        if time.monotonic() - self._kept_at > KEEP_SECONDS:
            self._keep()

    def _note(self, source: Source, log: Log, outcomes: Counter[Outcome]) -> None:
        """Count the outcomes of a log's calls."""
        self._new[source.name, "recorded"] += outcomes["recorded"]
        self._new[source.name, "grown"] += outcomes["grown"]
        log.note(Counts(duplicates=outcomes["known"], replayed=outcomes["replayed"], skipped=outcomes["skipped"]))

    def _takes(self, call: Usage, log: Log) -> bool:
        # A call imported before may have grown since.
        if self._since is not None and call.timestamp < self._since and not self._sink.holds(call.id or ""):
            log.leave_out(call.timestamp)
            return False
        if self._only_below is None:
            return True
        if call.project not in self._inside:
            self._inside[call.project] = _lies_in(call.project, self._only_below)
        return self._inside[call.project]


def _lies_in(folder: str | None, project: str) -> bool:
    if not folder or not os.path.isabs(folder) or "\0" in folder:
        return False
    try:
        return os.path.commonpath((os.path.realpath(folder), project)) == project
    except (OSError, ValueError):
        return False

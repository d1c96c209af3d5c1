"""Brings the calls in agents' own session logs to whoever records them: once, or as they happen."""

from __future__ import annotations

import math
import os
import threading
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from budgauge.errors import BudgaugeError, RecordError
from budgauge.records import Usage
from budgauge.sources.lock import only_collector
from budgauge.sources.report import Report, SourceTotal
from budgauge.watch import watch

Outcome = Literal["recorded", "known", "set aside"]
"""What became of a call."""


class Source(Protocol):
    """One agent's logs."""

    @property
    def name(self) -> str:
        """As `budgauge collect` calls it."""
        ...

    def folders(self) -> tuple[Path, ...]:
        """The folders to watch, with everything below them."""
        ...

    def calls(self, changed: frozenset[str] | None, since: float | None) -> Generator[Usage, None, None]:
        """The calls not given out yet; closing it in the middle makes them be given out again.

        `changed` names paths that may have changed: an empty set means that nobody knows,
        None that all must be looked at now.
        """
        ...

    def total(self) -> SourceTotal:
        """What was read, and what of it was not calls."""
        ...

    def notes(self) -> tuple[str, ...]:
        """What a person should know of what was not read."""
        ...


class Collector:
    """Reads what is new of its sources at every pass. Used by one thread at a time."""

    def __init__(
        self,
        report: Callable[[Usage], bool],
        sources: Sequence[Source],
        *,
        since: float | None = None,
        only_below: Path | None = None,
        lock_path: Path | None = None,
    ) -> None:
        """`report` records a call: True if it did, False if its id was known already.

        `since` leaves out calls older than these unix seconds; None takes all. `only_below`
        takes only sessions whose working directory lies inside that folder. `lock_path` keeps
        a second collector of the same ledger away; None, for a dry run, keeps nobody away.
        """
        self._report = report
        self._sources = tuple(sources)
        # Calls carry whole seconds: one made in this second counts as made from here on.
        self._since = None if since is None else math.floor(since)
        self._only_below = os.path.realpath(only_below) if only_below is not None else None
        self._inside: dict[str | None, bool] = {}
        self._lock_path = lock_path
        self._outcomes: Counter[tuple[str, Outcome]] = Counter()
        self._trouble: str | None = None

    def collect(self) -> Report:
        """Everything there is, once. Raises what `report` raises, and SourceError if another collector is at work."""
        with only_collector(self._lock_path):
            self._pass(None)
        return self.report()

    def follow(self, stop: threading.Event, on_report: Callable[[Report], None]) -> None:
        """What there is and then what comes, until `stop`; `on_report` after each change, in this thread.

        Raises SourceError if another collector holds the lock. When recording fails the report
        says so, and it is tried again at the next tick.
        """
        with only_collector(self._lock_path):
            shown: Report | None = None
            for changed in watch(self._folders, stop, recursive=True):
                self._try_pass(None if shown is None or self._trouble else changed, stop)
                report = self.report()
                if report != shown:
                    on_report(report)
                    shown = report

    def report(self) -> Report:
        """What has been recorded so far."""
        notes = tuple(note for source in self._sources for note in source.notes())
        return Report(sources=tuple(map(self._total, self._sources)), notes=notes, trouble=self._trouble)

    def _total(self, source: Source) -> SourceTotal:
        """What the source knows of its logs, with what became of its calls."""
        total = source.total()
        return msgspec.structs.replace(
            total,
            calls=self._outcomes[source.name, "recorded"],
            duplicates=total.duplicates + self._outcomes[source.name, "known"],
            set_aside=total.set_aside + self._outcomes[source.name, "set aside"],
        )

    def _folders(self) -> list[Path]:
        return [folder for source in self._sources for folder in source.folders()]

    def _try_pass(self, changed: frozenset[str] | None, stop: threading.Event) -> None:
        try:
            self._pass(changed, stop)
            self._trouble = None
        except BudgaugeError as error:
            self._trouble = str(error)

    def _pass(self, changed: frozenset[str] | None, stop: threading.Event | None = None) -> None:
        for source in self._sources:
            with closing(source.calls(changed, self._since)) as calls:
                for call in calls:
                    if self._takes(call):
                        self._outcomes[source.name, self._record(call)] += 1
                    if stop is not None and stop.is_set():
                        return

    def _takes(self, call: Usage) -> bool:
        if self._since is not None and call.timestamp < self._since:
            return False
        if self._only_below is None:
            return True
        if call.project not in self._inside:
            self._inside[call.project] = _lies_in(call.project, self._only_below)
        return self._inside[call.project]

    def _record(self, call: Usage) -> Outcome:
        try:
            return "recorded" if self._report(call) else "known"
        except RecordError:
            return "set aside"


def _lies_in(folder: str | None, project: str) -> bool:
    if not folder or not os.path.isabs(folder) or "\0" in folder:
        return False
    try:
        return os.path.commonpath((os.path.realpath(folder), project)) == project
    except (OSError, ValueError):
        return False

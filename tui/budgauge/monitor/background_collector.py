"""The collector in a thread beside the monitor, to be switched on and off."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from budgauge.config.both import same_ledger
from budgauge.config.load import Loaded
from budgauge.errors import BudgaugeError
from budgauge.text import count, plural
from budgauge.views.live import Observer

if TYPE_CHECKING:
    from budgauge.sources.report import Report


Places = tuple[Path, Path | None, Path | None]
"""A ledger, the project it belongs to, and the user's own ledger beside it."""


class BackgroundCollector:
    """A follower of agents' logs from its start on; one thread starts and stops it.

    Started again on the same ledger without having been stopped, it goes on from the first start.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._report: Report | None = None
        self._failure: str | None = None
        self._begun: Places | None = None
        self._since = 0.0

    @property
    def running(self) -> bool:
        """True while it collects; after a failure, only from the first report on."""
        return self._is_alive() and not self._failure

    @property
    def moved(self) -> bool:
        """True if the monitor reads another ledger by now."""
        return self._begun is not None and self._begun != _places(self._observer)

    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def summary(self) -> str:
        """The number of records so far, in a few words."""
        records = self._report.records if self._report else 0
        return plural(records, "call") if records else "nothing new yet"

    @property
    def details(self) -> tuple[str, ...]:
        """Lines on each agent's logs since the start; empty while it is off."""
        if self._report is None:
            return ()
        user = self._report.user
        users = ["In your own ledger:", "", *_lines(user)] if user is not None else []
        return (*_lines(self._report), *users, *self._report.notes)

    @property
    def trouble(self) -> str | None:
        """The reason why it stopped or cannot record; else the first of the logs' troubles."""
        if self._failure or self._report is None:
            return self._failure
        user = self._report.user
        users = f"your own ledger: {user.trouble}" if user is not None and user.trouble else None
        return self._report.trouble or users or next(iter(self._report.notes), None)

    def start(self) -> None:
        """Start, from now on. Another collector on the same ledger becomes a trouble, and this one ends."""
        # Imported here: most monitors start without collecting.
        from budgauge.sources.follow import follow
        from budgauge.sources.target import Target, make_collector

        if self._is_alive():
            return
        self._stop, self._report = threading.Event(), None
        loaded = self._observer.loaded
        if self._begun != (places := _places(self._observer)):
            self._begun, self._since = places, time.time()
        user = _user_with_a_ledger(self._observer)
        user_target = None if user is None else Target(user, self._since)
        collector = make_collector(Target(loaded, self._since), user_target)

        def run() -> None:
            try:
                follow(collector, self._stop, self._take)
            except BudgaugeError as error:
                self._failure = str(error)
            except Exception as error:  # the monitor must stay up and show the failure
                self._failure = f"collecting stopped: {type(error).__name__}: {error}"

        self._thread = threading.Thread(target=run, name="budgauge-collect", daemon=True)
        self._thread.start()

    def stop(self, seconds: float | None = None) -> None:
        """Stop, and wait at most so many seconds; a collector that waits for a lock is left behind."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)
        self._thread = self._failure = self._begun = self._report = None

    def _take(self, report: Report) -> None:
        self._report, self._failure = report, None


def _lines(report: Report) -> Iterator[str]:
    for source in report.sources:
        yield f"{source.name}: {plural(source.calls, 'call')} recorded from {plural(source.files, 'log')}"
        yield from (f"  {count(number)} {what}" for what, number in source.beside)
        yield ""


def _user_with_a_ledger(observer: Observer) -> Loaded | None:
    """Return the user's own budget beside a project's, if the ledgers differ."""
    user = observer.user_loaded
    return None if user is None or same_ledger(user, observer.loaded) else user


def _places(observer: Observer) -> Places:
    user = _user_with_a_ledger(observer)
    place = observer.loaded.ledger
    return place.path, place.project, user.ledger.path if user else None

"""Collecting from agents' logs as the person wants it: retried after failures and moved with the ledger."""

from __future__ import annotations

from collections.abc import Callable

from textual.message import Message

from budgauge.errors import BudgaugeError
from budgauge.monitor.background_collector import BackgroundCollector
from budgauge.monitor.background_job import BackgroundJob

RETRY_TICKS = 3
"""Ticks after which collecting is started again, where it is wanted and not running."""


class CollectionSwitch:
    """An on/off switch for a collector."""

    def __init__(self, collector: BackgroundCollector, post: Callable[[Message], object]) -> None:
        self.collector = collector
        self._job = BackgroundJob("collect", post)
        self._failure = ""
        self._idle_ticks = 0
        self.wanted = False
        """True while collecting is switched on."""

    @property
    def trouble(self) -> str | None:
        """The reason why the collector does not run, cannot record, or could not read a log."""
        return self._failure or self.collector.trouble

    def want(self, on: bool) -> bool:
        """Switch collecting on or off; return False while the previous switch is still under way."""
        if not self._job.begin(self._start if on else self._stop):
            return False
        self.wanted, self._idle_ticks = on, 0
        return True

    def keep_up(self) -> None:
        """Restart the collector, once a tick, if it has ended or its ledger has moved."""
        if not self.wanted or self._job.busy:
            return
        if self.collector.running:
            self._idle_ticks = 0
            if self.collector.moved:
                self._job.begin(self._restart)
            return
        self._idle_ticks += 1
        if self._idle_ticks >= RETRY_TICKS:
            self._idle_ticks = 0
            self._job.begin(self._start)

    def _start(self) -> None:
        try:
            self.collector.start()
        except (BudgaugeError, OSError) as error:
            self._failure = str(error)
        else:
            self._failure = ""

    def _stop(self) -> None:
        self.collector.stop()
        self._failure = ""

    def _restart(self) -> None:
        self.collector.stop()
        self._start()

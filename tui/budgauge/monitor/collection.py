"""Collecting from agents' logs as the person wants it: retried after failures and moved with the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from textual.message import Message

from budgauge.errors import BudgaugeError
from budgauge.monitor.background_job import BackgroundJob

RETRY_TICKS = 3
"""Ticks after which collecting is started again, where it is wanted and not running."""


class CollectorPort(Protocol):
    """A collector of agents' logs that can be started and stopped."""

    @property
    def running(self) -> bool:
        """True while it collects."""

    @property
    def moved(self) -> bool:
        """True if the monitor reads another ledger by now."""

    @property
    def summary(self) -> str:
        """The records so far in a few words, such as `12 calls`."""

    @property
    def details(self) -> Sequence[str]:
        """Lines on each agent's logs and their skipped lines; empty while it is off."""

    @property
    def trouble(self) -> str | None:
        """The reason why it stopped, cannot record, or could not read a log."""

    def start(self) -> None:
        """Start collecting, from now on. Raises BudgaugeError."""

    def stop(self) -> None:
        """Stop, and wait for the end."""


class CollectionSwitch:
    """An on/off switch for a collector."""

    def __init__(self, collector: CollectorPort, post: Callable[[Message], object]) -> None:
        self._collector = collector
        self._job = BackgroundJob("collect", post)
        self._failure = ""
        self._idle_ticks = 0
        self.wanted = False
        """True while collecting is switched on."""

    @property
    def running(self) -> bool:
        """True while the collector runs."""
        return self._collector.running

    @property
    def summary(self) -> str:
        """The records so far in a few words, such as `12 calls`."""
        return self._collector.summary

    @property
    def details(self) -> Sequence[str]:
        """Lines on each agent's logs and their skipped lines."""
        return self._collector.details

    @property
    def trouble(self) -> str | None:
        """The reason why the collector does not run, cannot record, or could not read a log."""
        return self._failure or self._collector.trouble

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
        if self._collector.running:
            self._idle_ticks = 0
            if self._collector.moved:
                self._job.begin(self._restart)
            return
        self._idle_ticks += 1
        if self._idle_ticks >= RETRY_TICKS:
            self._idle_ticks = 0
            self._job.begin(self._start)

    def _start(self) -> None:
        try:
            self._collector.start()
        except (BudgaugeError, OSError) as error:
            self._failure = str(error)
        else:
            self._failure = ""

    def _stop(self) -> None:
        self._collector.stop()
        self._failure = ""

    def _restart(self) -> None:
        self._collector.stop()
        self._start()

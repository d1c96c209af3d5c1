"""Collecting as it is wanted: kept going through refusals and when the ledger moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.message import Message

from budgauge.errors import BudgaugeError
from budgauge.monitor.chore import Chore
from budgauge.monitor.port import CollectorPort

RETRY_TICKS = 3
"""Ticks without collecting, while it is wanted, until it is tried again."""


class Collecting:
    """A collector that is wanted or not."""

    def __init__(self, collector: CollectorPort, post: Callable[[Message], object]) -> None:
        self._collector = collector
        self._chore = Chore("collect", post)
        self._failure = ""
        self._idle_ticks = 0
        self.wanted = False
        """Should it be collecting?"""

    @property
    def running(self) -> bool:
        """Is it collecting just now?"""
        return self._collector.running

    @property
    def summary(self) -> str:
        """What it has brought in so far, such as `12 calls`."""
        return self._collector.summary

    @property
    def details(self) -> Sequence[str]:
        """What it met in each agent's logs, in lines."""
        return self._collector.details

    @property
    def trouble(self) -> str | None:
        """Why it does not collect although it is wanted, or cannot record just now; else what it could not read."""
        return self._failure or self._collector.trouble

    def want(self, on: bool) -> bool:
        """Switch it on or off; False if the change before is still under way."""
        if not self._chore.begin(self._start if on else self._stop):
            return False
        self.wanted, self._idle_ticks = on, 0
        return True

    def keep_up(self) -> None:
        """Once a tick: begin again where it ended although it is wanted, or where another ledger is read now."""
        if not self.wanted or self._chore.busy:
            return
        if self._collector.running:
            self._idle_ticks = 0
            if self._collector.moved:
                self._chore.begin(self._restart)
            return
        self._idle_ticks += 1
        if self._idle_ticks >= RETRY_TICKS:
            self._idle_ticks = 0
            self._chore.begin(self._start)

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

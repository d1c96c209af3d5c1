"""Tokens a minute by agent, and cost, over time."""

from __future__ import annotations

from collections.abc import Callable

from budgauge.monitor.port import ObserverPort
from budgauge.monitor.screens.page import Page
from budgauge.observer import View
from budgauge.scan import TimeReport


class OverTime(Page[TimeReport]):
    """The chart."""

    def __init__(self, view: View, now: float, observer: ObserverPort) -> None:
        super().__init__(view, now)
        self._observer = observer

    def reader(self) -> Callable[[], TimeReport]:
        """A reading by steps of time."""
        raise NotImplementedError

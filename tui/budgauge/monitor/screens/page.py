"""The base of the screens above the dashboard."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, Generic, TypeVar

from textual.binding import BindingType
from textual.css.query import NoMatches
from textual.screen import Screen

from budgauge.errors import BudgaugeError
from budgauge.monitor.background_job import BackgroundJob
from budgauge.monitor.keys import bound
from budgauge.monitor.language import mark, tr
from budgauge.monitor.rows import Row
from budgauge.views.live import View

_Report = TypeVar("_Report")


class Page(Screen[None], Generic[_Report]):
    """A view and a report on the whole ledger, both kept up to date.

    The ledger is scanned in a thread, one scan at a time.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        bound("escape,backspace", "app.pop_screen", "page.back", mark("Back"), mark("Back"), "Esc"),
    ]

    row: Row | None = None
    """The agent or family of the page, as of the opening; None for all."""

    def __init__(self, view: View, now: float) -> None:
        """`now` is in unix seconds."""
        super().__init__()
        self.view = view
        self.now = now
        self.report: _Report | None = None
        self._trouble = ""
        self._reading = BackgroundJob("scan", self.post_message)
        self._is_stale = True
        self._is_composed = False

    @property
    def trouble(self) -> str:
        """The reason why the ledger could not be read; empty if it was."""
        return self.view.ledger_trouble or self._trouble

    def reader(self) -> Callable[[], _Report]:
        """Return the scan to run next."""
        raise NotImplementedError

    def is_outdated(self) -> bool:
        """Return True if a new scan is needed though nothing was written."""
        return False

    def draw(self) -> None:
        """Draw the present view and report."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Start the first scan."""
        self._is_composed = True
        self._redraw()
        self.read_on()

    def update_view(self, view: View, now: float) -> None:
        """Bring the page up to a view and a moment."""
        changed = view.snapshot is not self.view.snapshot
        self.view, self.now = view, now
        self._is_stale = self._is_stale or changed or self.is_outdated()
        if self._is_composed:
            self._redraw()
            self.read_on()

    def read_on(self) -> None:
        """Start a scan of new lines, unless there are none or a scan is under way."""
        if self._is_stale and not self._reading.busy:
            self._is_stale = not self._reading.begin(self._work(self.reader()))

    def read_afresh(self) -> None:
        """Start a scan in any case."""
        self._is_stale = True
        self.read_on()

    def _work(self, read: Callable[[], _Report]) -> Callable[[], None]:
        def work() -> None:
            try:
                self.call_later(self._take, read(), "")
            except BudgaugeError as error:
                self.call_later(self._take, None, str(error))
            except OSError as error:
                self.call_later(self._take, None, tr("The ledger cannot be read: {why}", why=error))

        return work

    def _take(self, report: _Report | None, trouble: str) -> None:
        """Show the end of a scan."""
        self.report, self._trouble = report or self.report, trouble
        self._redraw()

    def _redraw(self) -> None:
        # At the end widgets are removed before the last messages have come.
        with suppress(NoMatches):
            self.draw()

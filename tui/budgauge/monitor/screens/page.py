"""The base of screens that stand over the dashboard and keep up with what it shows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, Generic, TypeVar

from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.message import Message
from textual.screen import Screen

from budgauge.errors import BudgaugeError
from budgauge.monitor.background_job import BackgroundJob
from budgauge.monitor.language import mark, tr
from budgauge.monitor.rows import Row
from budgauge.views.live import View

_Report = TypeVar("_Report")


class Page(Screen[None], Generic[_Report]):
    """Shows a view, and what a reading of the whole ledger says; both are brought up to date as they change.

    A reading takes place in a thread, and not before the one before it has ended.
    """

    class Read(Message):
        """A reading has ended."""

        def __init__(self, report: object, trouble: str) -> None:
            super().__init__()
            self.report = report
            self.trouble = trouble

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,backspace", "app.pop_screen", mark("Back"), id="page.back", key_display="Esc", tooltip=mark("Back")
        ),
    ]

    def __init__(self, view: View, now: float) -> None:
        """`now` is in unix seconds."""
        super().__init__()
        self.view = view
        self.now = now
        self.report: _Report | None = None
        """What the last reading said."""
        self._trouble = ""
        self._reading = BackgroundJob("scan", self.post_message)
        self._is_stale = True
        self._is_composed = False

    @property
    def row(self) -> Row | None:
        """The agent or family that it is about; None if it is about all."""
        return None

    @property
    def trouble(self) -> str:
        """Why the ledger could not be read."""
        return self.view.ledger_trouble or self._trouble

    def reader(self) -> Callable[[], _Report]:
        """What reads; asked for again where it must begin afresh."""
        raise NotImplementedError

    def is_outdated(self) -> bool:
        """Must be read again though nothing new was written?"""
        return False

    def draw(self) -> None:
        """Show the view, the moment and the report as they are now."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Begin to read."""
        self._is_composed = True
        self._redraw()
        self.read_on()

    def update_view(self, view: View, now: float) -> None:
        """Bring it up to a view and a moment."""
        changed = view.snapshot is not self.view.snapshot
        self.view, self.now = view, now
        self._is_stale = self._is_stale or changed or self.is_outdated()
        if self._is_composed:
            self._redraw()
            self.read_on()

    def read_on(self) -> None:
        """Read what is new, unless there is nothing, or reading goes on already."""
        if self._is_stale and not self._reading.busy:
            self._is_stale = not self._reading.begin(self._work(self.reader()))

    def read_afresh(self) -> None:
        """What was read is no longer what is wanted."""
        self._is_stale = True
        self.read_on()

    def _work(self, read: Callable[[], _Report]) -> Callable[[], None]:
        def work() -> None:
            try:
                message = self.Read(read(), "")
            except BudgaugeError as error:
                message = self.Read(None, str(error))
            except OSError as error:
                message = self.Read(None, tr("The ledger cannot be read: {why}", why=error))
            self.post_message(message)

        return work

    def on_page_read(self, message: Read) -> None:
        """Show what was read."""
        message.stop()
        if message.report is not None:
            self.report = message.report  # type: ignore[assignment]  # of our own reader
        self._trouble = message.trouble
        self._redraw()

    def _redraw(self) -> None:
        # When it is closed its widgets go before the last messages have come.
        with suppress(NoMatches):
            self.draw()

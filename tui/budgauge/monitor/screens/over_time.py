"""The screen of tokens a minute by agent, and of cost, over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.events import MouseScrollDown, MouseScrollUp, Resize

from budgauge.monitor.drawing.spans import ZOOMS, chart_span, counter_span, shown_number
from budgauge.monitor.drawing.time_text import day, span, utc_offset
from budgauge.monitor.keys import bound
from budgauge.monitor.language import mark, tr
from budgauge.monitor.screens.page import Page
from budgauge.monitor.widgets.key_line import Key, KeyLine
from budgauge.monitor.widgets.time_chart import TimeChart, TimeViewModel
from budgauge.views.live import Observer, View
from budgauge.views.scan import EARLIEST, Span, TimeReport, TimeScan

_MARGIN_CELLS = 12
"""Borders, padding, a scrollbar and the axis."""
_FIRST_ZOOM = 1
_KEYS = (
    Key("Esc", mark("Back"), "pop_screen"),
    Key("+", mark("Shorter"), "screen.zoom(-1)"),
    Key("-", mark("Longer"), "screen.zoom(1)"),
    Key("p", mark("Pause"), "pause"),
    Key("t", mark("Theme"), "next_theme"),
    Key("?", mark("Help"), "help"),
)
_Read = tuple[Span, Span, TimeReport]


class OverTime(Page[_Read]):
    """Charts over time; keys, clicks and the wheel zoom."""

    AUTO_FOCUS = "#over-time"
    BINDINGS: ClassVar[list[BindingType]] = [
        bound("plus,equals_sign", "zoom(-1)", "time.in", mark("Shorter"), mark("A shorter time"), "+"),
        bound("minus,underscore", "zoom(1)", "time.out", mark("Longer"), mark("A longer time"), "-"),
        bound("o", "app.pop_screen", "time.back", mark("Back"), mark("Back"), show=False),
    ]

    def __init__(self, view: View, now: float, observer: Observer) -> None:
        super().__init__(view, now)
        self._observer = observer
        self._zoom = _FIRST_ZOOM
        self._scan: TimeScan | None = None
        self._config = view.config
        self._cells = 0

    def compose(self) -> ComposeResult:
        """Yield one long drawing, and the keys."""
        with VerticalScroll(id="over-time") as box:
            box.border_title = tr("over time")
            yield TimeChart()
        yield KeyLine(_KEYS)

    def on_resize(self, event: Resize) -> None:
        """Choose steps for the new width."""
        self._cells = max(8, event.size.width - _MARGIN_CELLS)
        self.query_one(TimeChart).room = event.size.height - 3
        self.read_afresh()

    def reader(self) -> Callable[[], _Read]:
        """Return the scan of the wanted spans; the one before is continued as long as possible."""
        scan = self._scan
        if scan is None or not self._can_go_on(scan):
            self._config = self.view.config
            scan = self._scan = self._observer.time_scan(self._chart(), self._counters())
        return lambda: (scan.chart, scan.counters, scan.look())

    def is_outdated(self) -> bool:
        """Return True if the scan's time has run out."""
        return self._scan is not None and not self._can_go_on(self._scan)

    def _can_go_on(self, scan: TimeScan) -> bool:
        wanted = self._chart()
        fits = (scan.chart.step, scan.chart.number) == (wanted.step, wanted.number)
        goes_on = self.now < min(scan.chart.end, scan.counters.end)
        same = scan.counters.begin == self._counters().begin and self._config == self.view.config
        return fits and goes_on and same

    def _chart(self) -> Span:
        return chart_span(ZOOMS[self._zoom], self.now, self._cells, utc_offset(self.now))

    def _counters(self) -> Span:
        since = self._since()
        begin = self._chart().begin if since is None else min(since, self.now)
        return counter_span(begin, self.view.snapshot.cycle_end or self.now, self.now, self._cells)

    def _since(self) -> float | None:
        """Return the counters' start; without a reset, the first call, once the ledger was read."""
        known = self._known_since()
        return self.report[2].first if known is None and self.report is not None else known

    def _known_since(self) -> float | None:
        """Return the counters' start as the snapshot has it; None too for a reset dated before all agents."""
        since = self.view.snapshot.since
        return None if since is None or since < EARLIEST else since

    def action_zoom(self, steps: int) -> None:
        """Show a longer time, or a shorter one."""
        zoom = max(0, min(len(ZOOMS) - 1, self._zoom + steps))
        if zoom != self._zoom:
            self._zoom = zoom
            self.draw()
            self.read_afresh()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Zoom out, while ctrl is held."""
        if event.ctrl:
            event.stop()
            self.action_zoom(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Zoom in, while ctrl is held."""
        if event.ctrl:
            event.stop()
            self.action_zoom(-1)

    def draw(self) -> None:
        """Draw the present state."""
        chart, since = self._chart(), self._since()
        read = self.report
        if since is not None and self._known_since() is None and read is not None and read[1].begin > since:
            since = None  # the report begins later
        is_other = read is not None and (read[0].step, read[0].number) != (chart.step, chart.number)
        self.query_one(TimeChart).view_model = TimeViewModel(
            snapshot=self.view.snapshot,
            now=self.now // 60 * 60,
            title=tr("the last {span}", span=span(chart.step * shown_number(chart))),
            note=tr("Reading the ledger …") if not self.trouble and (read is None or is_other) else "",
            trouble=self.trouble,
            read=read,
            since=tr("over the same time") if since is None else tr("since {day}", day=day(since)),
        )

"""The screen of one agent or family."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from budgauge.monitor.language import mark
from budgauge.monitor.rows import Row
from budgauge.monitor.screens.page import Page
from budgauge.monitor.widgets.agent_details import AgentDetails, agent_details_view_model
from budgauge.monitor.widgets.key_line import Key, KeyLine
from budgauge.views.live import Observer, View
from budgauge.views.scan import AgentReport, AgentScan


class Details(Page[AgentReport]):
    """Limits, use, rate, models, prices, the ledger's lines behind the numbers, and the latest calls."""

    AUTO_FOCUS = "#details"

    def __init__(self, view: View, now: float, row: Row, observer: Observer) -> None:
        super().__init__(view, now)
        self.row: Row = row
        self._observer = observer
        self._scan: AgentScan | None = None
        self._config = view.config

    def compose(self) -> ComposeResult:
        """Yield one long text, and the keys."""
        with VerticalScroll(id="details") as box:
            box.border_title = Content(self.row.name)  # a str would be read as markup
            yield AgentDetails()
        yield KeyLine(_keys(self.row))

    def reader(self) -> Callable[[], AgentReport]:
        """Return the scan under the config in force."""
        if self._scan is None or self._config != self.view.config:
            self._config = self.view.config
            self._scan = self._observer.agent_scan(self.row.key, is_family=self.row.is_family)
        return self._scan.look

    def draw(self) -> None:
        """Draw the present state."""
        self.query_one(AgentDetails).view_model = agent_details_view_model(
            self.view, self.now, self.row.key, is_family=self.row.is_family, report=self.report, trouble=self.trouble
        )


def _keys(row: Row) -> tuple[Key, ...]:
    keys = [Key("Esc", mark("Back"), "pop_screen"), Key("y", mark("Copy"), "copy"), Key("u", mark("Undo"), "undo")]
    if not row.is_family:
        keys.insert(1, Key("R", mark("Reset agent"), "reset_agent"))
    return (*keys, Key("p", mark("Pause"), "pause"), Key("?", mark("Help"), "help"))

"""The dashboard: everything on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.events import Resize
from textual.geometry import Size

from budgauge.monitor.drawing.time_text import clock, day
from budgauge.monitor.keys import bound
from budgauge.monitor.language import mark, tr, trn
from budgauge.monitor.order import order_words
from budgauge.monitor.screens.main_screen import AppState, MainScreen
from budgauge.monitor.screens.too_small import TooSmall
from budgauge.monitor.widgets.agent_table import AgentTable
from budgauge.monitor.widgets.banner import Banner, banner_items
from budgauge.monitor.widgets.cost import CostPanel, cost_view_model
from budgauge.monitor.widgets.figures import Figures, figures
from budgauge.monitor.widgets.gauge import Gauge, gauge_view_model
from budgauge.monitor.widgets.key_line import KeyLine
from budgauge.monitor.widgets.onboarding import Onboarding
from budgauge.monitor.widgets.rate import RatePanel, rate_view_model
from budgauge.monitor.widgets.summary import Summary, summary_pieces
from budgauge.monitor.widgets.top_line import TopLine
from budgauge.status.snapshot import Snapshot
from budgauge.text import count
from budgauge.views.live import View

if TYPE_CHECKING:
    from textual.widgets import Input

MIN_WIDTH, MIN_HEIGHT = 40, 10
TALL = 20
"""Lines from which panels have borders."""
HIGH = 36
"""Lines from which bars are thick."""
FIGURES_WIDTH, FIGURES_HEIGHT = 76, 28
"""Cells and lines from which large figures are shown."""


class Dashboard(MainScreen):
    """Total, agents, cost and rate; or the first steps on an empty ledger."""

    AUTO_FOCUS = "AgentTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        bound("escape", "clear_filter", "filter.all", mark("All agents"), mark("Clear the filter"), show=False),
    ]
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012  # declared by Screen
        (0, "-too-narrow"),
        (MIN_WIDTH, "-narrow"),
        (76, "-medium"),
        (110, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012  # declared by Screen
        (0, "-too-short"),
        (MIN_HEIGHT, "-short"),
        (TALL, "-tall"),
        (HIGH, "-high"),
    ]

    def compose(self) -> ComposeResult:
        """Yield the widgets from top to bottom."""
        yield TopLine()
        yield Banner()
        with Vertical(id="total") as total:
            total.border_title = tr("total")
            yield Figures()
            yield Gauge()
        with Container(id="body"):
            with Vertical(id="agents") as agents:
                agents.border_title = tr("agents")
                yield AgentTable()
                yield Onboarding()
            with Container(id="side"):
                cost, rate = CostPanel(), RatePanel()
                cost.border_title, rate.border_title = tr("cost"), tr("tokens a minute")
                yield cost
                yield rate
        yield Summary()
        yield KeyLine(self._keys)
        yield TooSmall(MIN_WIDTH, MIN_HEIGHT)

    def on_resize(self, event: Resize) -> None:
        """Fit each part to the size."""
        self.fit(event.size)

    def fit(self, size: Size) -> None:
        """Fit each part to the size."""
        height = size.height
        tall = height >= TALL
        gauge = self.query_one(Gauge)
        gauge.roomy = tall
        gauge.bar_lines = 2 if height >= HIGH else 1
        # Large figures are unreadable in ASCII.
        has_figures = height >= FIGURES_HEIGHT and size.width >= FIGURES_WIDTH and not self.app.has_class("-ascii")
        self.set_class(has_figures, "-figures")
        gauge.foretells = not has_figures
        self.query_one(Figures).scale = 2 if height >= 50 and size.width >= 120 else 1
        self.query_one(Onboarding).roomy = height >= 24
        self.query_one(Banner).room = max(2, height // 6)

    def show(self, state: AppState, *, only_time: bool) -> None:
        """Show a view; with `only_time`, only what changes by time alone."""
        view, snapshot, now = state.view, state.view.snapshot, state.now
        if only_time:
            self.query_one(AgentTable).tick(now)
        else:
            self._show_table(state)
        self.query_one(Gauge).view_model = gauge_view_model(view, now)
        self.query_one(Figures).view_model = figures(snapshot, now, readable=not view.ledger_trouble)
        self.query_one(RatePanel).view_model = rate_view_model(snapshot, now)
        self.query_one(Summary).pieces = summary_pieces(snapshot, now)
        if state.onboarding is not None:
            self.query_one(Onboarding).view_model = state.onboarding
        self.query_one(TopLine).view_model = state.top
        self.show_items(state)

    def _show_table(self, state: AppState) -> None:
        snapshot, table = state.view.snapshot, self.query_one(AgentTable)
        self.query_one(CostPanel).view_model = cost_view_model(snapshot)
        table.vacancy = _vacancy(snapshot)
        table.show(snapshot, state.now)
        self._title_agents()
        new = state.onboarding is not None
        self.set_class(new, "-new")
        self.set_class(new and bool(snapshot.agents or snapshot.families), "-with-limits")

    def open_filter(self) -> None:
        """Open the filter line, or focus an open one."""
        from budgauge.monitor.widgets.filter_line import FilterLine

        lines = self.query(FilterLine)
        if lines:
            lines.first().focus()
        else:
            line = FilterLine()
            self.query_one("#agents").mount(line)
            line.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter as the person types."""
        self.query_one(AgentTable).query_words = tuple(event.value.lower().split())
        self._title_agents()

    def on_input_submitted(self) -> None:
        """Return to the filtered table."""
        self.query_one(AgentTable).focus()

    def action_clear_filter(self) -> None:
        """Show all agents again."""
        self.query("FilterLine").remove()
        table = self.query_one(AgentTable)
        table.query_words = ()
        table.focus()
        self._title_agents()

    def on_agent_table_sorted(self) -> None:
        """Name the order in the title."""
        self._title_agents()

    def show_items(self, state: AppState) -> None:
        """Bring the banner up to date."""
        self.query_one(Banner).items = banner_items(state.view, state.items)

    def pause(self, *, paused: bool) -> None:
        """Show whether the display is frozen."""
        top = self.query_one(TopLine)
        top.view_model = msgspec.structs.replace(top.view_model, paused=paused)

    def _title_agents(self) -> None:
        table, agents = self.query_one(AgentTable), self.query_one("#agents")
        parts = [trn("{n} agent", "{n} agents", table.agents) if table.agents else tr("agents")]
        if table.query_words:
            shown = count(sum(not row.is_family for row in table.rows))
            parts[0] = tr("{n} of {all}", n=shown, all=parts[0])
        if table.limited_families:
            parts.append(trn("{n} family limit", "{n} family limits", table.limited_families))
        if (table.order, table.reverse) != ("used", False):
            parts.append(tr("by {order}", order=order_words(table.order, reverse=table.reverse)))
        title = " · ".join(parts)
        if agents.border_title != title:
            agents.border_title = title


def is_new(view: View) -> bool:
    """Return True if nothing was ever recorded, as far as known."""
    snapshot = view.snapshot
    used = bool(snapshot.minutes) or any(row.calls for row in snapshot.agents)
    return not view.ledger_trouble and not snapshot.reset_id and not used


def _vacancy(snapshot: Snapshot) -> str:
    if snapshot.runs_since_cycle and snapshot.cycle_start is not None and snapshot.cycle_end is not None:
        begun, ends = day(snapshot.cycle_start), day(snapshot.cycle_end)
        return tr("A cycle began {begin}. Nothing was used yet. It ends {end}.", begin=begun, end=ends)
    if snapshot.since is None:
        return tr("Nothing was used since the last reset; u undoes it.")
    return tr("Nothing was used since the reset at {time}; u undoes it.", time=clock(snapshot.since))

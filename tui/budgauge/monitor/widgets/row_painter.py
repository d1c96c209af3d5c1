"""The painter of the table's rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style

from budgauge.accounting.forecast import last_minutes, rate_now, reached, spike
from budgauge.monitor.columns import GAP, SIGN_CELLS, Column
from budgauge.monitor.drawing.bar import limit_bar, share_bar
from budgauge.monitor.drawing.chart import trend
from budgauge.monitor.drawing.sign import NO_LIMIT, state_word
from budgauge.monitor.drawing.time_text import ago, span
from budgauge.monitor.drawing.wrap import placed
from budgauge.monitor.language import dollars, tr
from budgauge.monitor.order import Order
from budgauge.monitor.rows import FOLDED, UNFOLDED, Row
from budgauge.status.snapshot import Snapshot
from budgauge.text import count, fit, percent, short

_SPIKE = "↑"
Cell = tuple[Segment, ...]


@dataclass
class RowPainter:
    """A painter of rows at a moment."""

    style: Callable[[str], Style]
    """One of the table's component styles, by the last part of its name."""
    base: Style
    """The table's own style."""
    ground: Style
    """The extra style of the row under the cursor."""
    now: float
    """Unix seconds."""
    snapshot: Snapshot
    columns: Sequence[Column]

    def cells(self, row: Row) -> list[Cell]:
        """Return a cell for each column."""
        cells: list[Cell] = []
        for column in self.columns:
            if column.name == "gauge":
                segments = self._gauge(row, column.cells)
            elif column.name == "agent":
                segments = self._agent(row, column)
            else:
                text, style = self._text(row, column)
                segments = [Segment(placed(text, column.cells, column.right), style + self.ground)]
            cells.append(tuple(Segment(text, self.base + (style or Style())) for text, style, _ in segments))
        return cells

    def _agent(self, row: Row, column: Column) -> list[Segment]:
        fold = "" if not row.is_family else (" " if row.folded is None else FOLDED if row.folded else UNFOLDED) + " "
        front = "  " * row.depth + fold
        cells = max(0, column.cells - SIGN_CELLS - len(front))
        name = self.style("family" if row.is_family else "name")
        return [
            Segment(row.sign + " ", self._state(row) + self.ground),
            Segment(fit(front, column.cells - SIGN_CELLS), self.style("muted") + self.ground),
            Segment(placed(row.name, cells), name + self.ground),
        ]

    def _state(self, row: Row) -> Style:
        return self.style("muted" if row.source.limit is None else row.source.state)

    def _text(self, row: Row, column: Column) -> tuple[str, Style]:
        source, muted = row.source, self.style("muted")
        match column.name:
            case "used":
                return count(source.used), self.style("name") + Style(bold=True)
            case "reserved":
                return short(source.reserved) if source.reserved else "", muted
            case "percent":
                text = "" if source.limit == 0 else _percent(self._part(row))
                return text, muted if source.state == "ok" else self._state(row)
            case "of":
                return tr("of used") if source.limit is None else tr("of {limit}", limit=short(source.limit)), muted
            case "state":
                return NO_LIMIT if source.limit is None else state_word(source.state), self._state(row)
            case "trend":
                return trend(last_minutes(source.minutes, self.now, column.cells)), self.style("trend")
            case "rate":
                return self._rate(row)
            case "gone":
                return self._gone(row)
            case "cost":
                return dollars(source.cost_usd), muted
            case "calls":
                return short(source.calls), muted
            case _:
                return "" if source.last_used is None else ago(self.now // 60 * 60 + 59 - source.last_used), muted

    def _rate(self, row: Row) -> tuple[str, Style]:
        minutes, muted = row.source.minutes, self.style("muted")
        rate = rate_now(minutes, self.now) if minutes else 0
        if not rate:
            return "", muted
        if spike(minutes, self.now):
            return _SPIKE + short(rate), self.style("warning")
        return short(rate), muted

    def _gone(self, row: Row) -> tuple[str, Style]:
        source, muted = row.source, self.style("muted")
        eta = None if source.remaining is None else reached(source.minutes, self.now, source.remaining)
        if eta is None:
            return "", muted
        cycle_end = self.snapshot.cycle_end
        if cycle_end is not None and eta.expected > cycle_end - self.now:
            return tr("lasts"), muted
        return span(eta.expected), self._state(row) if source.state != "ok" else muted

    def _part(self, row: Row) -> float:
        """Return percent of the limit, or without one of everyone's total."""
        part = row.source.usage_percentage
        return self.snapshot.share(row.source.used) if part is None else part

    def _gauge(self, row: Row, cells: int) -> list[Segment]:
        if row.source.limit is None:
            style = self.style("share") + self.ground
            return [Segment(text, style) for text, _ in share_bar(self._part(row) / 100, cells)]
        fill, track = self.style(row.source.state), self.style("track")
        styles = {
            "fill": Style(color=fill.color, bgcolor=fill.color),
            "track": Style(color=fill.color, bgcolor=track.bgcolor),
            "mark": Style(color=self.style("mark").color, bgcolor=track.bgcolor),
            "mark-filled": Style(color=self.base.bgcolor, bgcolor=fill.color),
            "over": Style(color=self.style("exceeded").color, bgcolor=track.bgcolor),
        }
        runs = limit_bar(self._part(row) / 100, cells, self.snapshot.warning_threshold / 100)
        return [Segment(text, styles[kind]) for text, kind in runs]


def heads(
    columns: Sequence[Column], order: Order, style: Style, sorted_style: Style, *, reverse: bool
) -> list[Segment]:
    """Return the line above the rows: each column's name, and a sign at the sorted one."""
    sign = "↑" if reverse != (order in ("name", "wall")) else "↓"
    segments = []
    for column in columns:
        is_sorted = column.order == order and bool(column.head)
        head = f"{sign}{tr(column.head)}" if is_sorted else tr(column.head) if column.head else ""
        if column.name == "agent":
            head = f"{sign if is_sorted else ' '} {tr(column.head)}"
        shown = placed(head, column.cells, column.right)
        segments += [Segment(shown, sorted_style if is_sorted else style), Segment(" " * GAP, style)]
    return segments[:-1]


def _percent(part: float) -> str:
    """Return a percentage in at most six characters."""
    return percent(part) if part < 999.95 else ">999%"

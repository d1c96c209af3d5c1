"""The table of agents: only the lines on the screen are drawn, however many there are."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from budgauge.monitor.bar import limit_bar, share_bar
from budgauge.monitor.columns import GAP, SIGN_CELLS, Column, Extent, extent, fit_columns
from budgauge.monitor.rows import Row
from budgauge.monitor.when import ago
from budgauge.text import count, fit, money, percent, short

HEAD_LINES = 1
_BLANK = " " * GAP


class AgentTable(ScrollView, can_focus=True):
    """Agents and families with their gauges, and a cursor that stays on its agent."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="table.up", tooltip="The agent above", key_display="↑ k"),
        Binding("down,j", "move(1)", "Down", show=False, id="table.down", tooltip="The agent below", key_display="↓ j"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="table.page_up", tooltip="A screen of agents up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="table.page_down", tooltip="A screen down"),
        Binding("home", "first", "First", show=False, id="table.first", tooltip="The first agent"),
        Binding("end", "last", "Last", show=False, id="table.last", tooltip="The last agent"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--head",
        "table--name",
        "table--family",
        "table--muted",
        "table--ok",
        "table--warning",
        "table--exceeded",
        "table--track",
        "table--mark",
        "table--share",
        "table--cursor",
    }
    DEFAULT_CSS = """
    AgentTable {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        background: $background;
        & .table--head { color: $foreground 55%; text-style: bold; }
        & .table--name { color: $foreground; }
        & .table--family { color: $accent; text-style: italic; }
        & .table--muted { color: $foreground 60%; }
        & .table--ok { color: $success; }
        & .table--warning { color: $warning; text-style: bold; }
        & .table--exceeded { color: $error; text-style: bold; }
        & .table--track { background: $foreground 12%; }
        & .table--mark { color: $warning; }
        & .table--share { color: $secondary 75%; }
        & .table--cursor { background: $primary 18%; }
    }
    """

    rows: reactive[tuple[Row, ...]] = reactive((), init=False, repaint=False)
    """What there is to show."""
    minute: reactive[int] = reactive(0, init=False)
    """Now, as a unix minute: ages are measured from it."""
    threshold: reactive[float] = reactive(80.0, init=False)
    """Percent of a limit at which the mark stands."""
    vacancy: reactive[str] = reactive("", init=False)
    """What is said where there are no rows."""
    cursor: reactive[int] = reactive(0, init=False, repaint=False)
    """Index of the row under the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._need = Extent(0, 0)
        self._columns: tuple[Column, ...] = ()
        self._fitted: tuple[int, Extent] | None = None
        self._styles: dict[str, Style] = {}

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def watch_rows(self, old: tuple[Row, ...], new: tuple[Row, ...]) -> None:
        """Draw it."""
        followed = self._is_cursor_visible()
        key = (old[self.cursor].key, old[self.cursor].is_family) if self.cursor < len(old) else None
        places = (i for i, row in enumerate(new) if (row.key, row.is_family) == key)
        self.set_reactive(AgentTable.cursor, next(places, max(0, min(self.cursor, len(new) - 1))))
        self.virtual_size = Size(self._cells, len(new) + HEAD_LINES)
        largest, held = max((row.used for row in new), default=0), any(row.reserved for row in new)
        need = extent((row.name for row in new), largest, held=held)
        if need != self._need or len(old) != len(new):
            self._need = need
            self.refresh()
        else:
            self._refresh_changed(old, new)
        if followed and key is not None:
            self._show_cursor()

    def watch_cursor(self, old: int, new: int) -> None:
        """Draw it."""
        self._refresh_row(old)
        self._refresh_row(new)
        self._show_cursor()

    def on_resize(self, _: Resize) -> None:
        """Keep the cursor on the screen."""
        self.virtual_size = Size(self._cells, len(self.rows) + HEAD_LINES)
        self._show_cursor()
        self.refresh()

    def on_click(self, event: Click) -> None:
        """Put the cursor on the row that was clicked."""
        at = event.get_content_offset(self)
        if at is not None and at.y >= HEAD_LINES:
            self.move_to(at.y - HEAD_LINES + self.scroll_offset.y)

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.move_to(self.cursor + lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by what is visible."""
        self.move_to(self.cursor + pages * max(1, self.size.height - HEAD_LINES - 1))

    def action_first(self) -> None:
        """Move the cursor to the first row."""
        self.move_to(0)

    def action_last(self) -> None:
        """Move the cursor to the last row."""
        self.move_to(len(self.rows) - 1)

    def move_to(self, index: int) -> None:
        """Put the cursor on a row, or the nearest there is."""
        self.cursor = max(0, min(index, len(self.rows) - 1))

    @property
    def _cells(self) -> int:
        """Width without the scrollbar."""
        return self.scrollable_content_region.width

    def _columns_now(self) -> tuple[Column, ...]:
        """Fitted to the width as it is: a scrollbar comes and goes without a word."""
        wanted = (self._cells, self._need)
        if wanted != self._fitted:
            self._fitted = wanted
            self._columns = fit_columns(*wanted)
        return self._columns

    def _first_visible(self) -> int:
        return self.scroll_offset.y

    def _visible_lines(self) -> int:
        return max(0, self.size.height - HEAD_LINES)

    def _is_cursor_visible(self) -> bool:
        return 0 <= self.cursor - self._first_visible() < max(1, self._visible_lines())

    def _show_cursor(self) -> None:
        first, lines = self._first_visible(), self._visible_lines()
        if not lines:
            return
        if self.cursor < first:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= first + lines:
            self.scroll_to(y=self.cursor - lines + 1, animate=False, immediate=True)

    def _refresh_row(self, index: int) -> None:
        line = index - self._first_visible()
        if 0 <= line < self._visible_lines():
            self.refresh(Region(0, line + HEAD_LINES, self.size.width, 1))

    def _refresh_changed(self, old: tuple[Row, ...], new: tuple[Row, ...]) -> None:
        first = self._first_visible()
        for index in range(first, min(len(new), first + self._visible_lines())):
            if old[index] != new[index] or index == self.cursor:
                self._refresh_row(index)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Some lines; styles hold for one drawing."""
        self._styles.clear()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line: the heads, a row, or nothing."""
        if y < HEAD_LINES:
            segments = self._head()
        else:
            index = y - HEAD_LINES + self._first_visible()
            if index < len(self.rows):
                segments = self._row(self.rows[index], under_cursor=index == self.cursor and self.has_focus)
            elif not self.rows and y == HEAD_LINES + 1:
                segments = [Segment("  " + fit(self.vacancy, self._cells - 2), self._style("muted"))]
            else:
                segments = []
        return Strip(segments).adjust_cell_length(self._cells, self.rich_style)

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = self.get_visual_style(f"table--{name}").rich_style
        return style

    def _head(self) -> list[Segment]:
        style = self._style("head")
        segments = []
        for column in self._columns_now():
            head = "  agent" if column.name == "agent" else column.head
            segments += [Segment(_placed(head, column), style), Segment(_BLANK, style)]
        return segments[:-1]

    def _row(self, row: Row, *, under_cursor: bool) -> list[Segment]:
        ground = Style(bgcolor=self._style("cursor").bgcolor) if under_cursor else Style()
        segments: list[Segment] = []
        for column in self._columns_now():
            if segments:
                segments.append(Segment(_BLANK, ground))
            if column.name == "gauge":
                segments += self._gauge(row, column.cells, ground)
            elif column.name == "agent":
                segments += self._agent(row, column, ground)
            else:
                segments.append(Segment(_placed(self._text(row, column), column), self._cell(row, column) + ground))
        base = self.rich_style  # worked out anew at every look
        return [Segment(text, base + (style or Style())) for text, style, _ in segments]

    def _agent(self, row: Row, column: Column, ground: Style) -> list[Segment]:
        cells = column.cells - SIGN_CELLS
        return [
            Segment(row.sign + " ", self._state(row) + ground),
            Segment(
                set_cell_size(fit(row.name, cells), cells), self._style("family" if row.is_family else "name") + ground
            ),
        ]

    def _state(self, row: Row) -> Style:
        return self._style("muted" if row.limit is None else row.state)

    def _cell(self, row: Row, column: Column) -> Style:
        if column.name == "used":
            return self._style("name") + Style(bold=True)
        if column.name == "state" or (column.name == "percent" and row.state != "ok"):
            return self._state(row)
        return self._style("muted")

    def _text(self, row: Row, column: Column) -> str:
        if column.name == "used":
            return count(row.used)
        if column.name == "held":
            return short(row.reserved) if row.reserved else ""
        if column.name == "percent":
            return _percent(row.part)
        if column.name == "of":
            return row.of
        if column.name == "state":
            return row.state_word
        if row.calls is None:
            return ""
        if column.name == "cost":
            return money(row.cost)
        if column.name == "calls":
            return short(row.calls)
        return "" if row.last_used is None else ago(self.minute * 60 + 59 - row.last_used)

    def _gauge(self, row: Row, cells: int, ground: Style) -> list[Segment]:
        if row.limit is None:
            style = self._style("share") + ground
            return [Segment(text, style) for text, _ in share_bar(row.part / 100, cells)]
        fill, track = self._style(row.state), self._style("track")
        over = Style(color=self._style("exceeded").color, bgcolor=track.bgcolor)
        styles = {
            "fill": Style(color=fill.color, bgcolor=fill.color),
            "track": Style(color=fill.color, bgcolor=track.bgcolor),
            "mark": Style(color=self._style("mark").color, bgcolor=track.bgcolor),
            "mark-filled": Style(color=self.rich_style.bgcolor, bgcolor=fill.color),
            "over": over,
        }
        return [Segment(text, styles[kind]) for text, kind in limit_bar(row.part / 100, cells, self.threshold / 100)]


def _percent(part: float) -> str:
    """In at most six characters."""
    return percent(part) if part < 999.95 else ">999%"


def _placed(text: str, column: Column) -> str:
    fitted = fit(text, column.cells)
    if column.right:
        return " " * (column.cells - len(fitted)) + fitted
    return set_cell_size(fitted, column.cells)

"""The table of agents; only visible lines are drawn."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import BindingType
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from budgauge.monitor.columns import GAP, SIGN_CELLS, Column, Extent, column_at, fit_columns
from budgauge.monitor.keys import TABLE_BINDINGS
from budgauge.monitor.language import tr
from budgauge.monitor.order import MOVING, ORDERS, Order
from budgauge.monitor.row_cache import MOVE_SECONDS, Arrangement, RowCache
from budgauge.monitor.rows import Row
from budgauge.monitor.widgets.drawing import component_classes
from budgauge.monitor.widgets.row_painter import Cell, RowPainter, heads
from budgauge.status.row import ACTIVE_MINUTES
from budgauge.status.snapshot import Snapshot
from budgauge.text import fit

HEAD_LINES = 1
_BLANK = " " * GAP


class AgentTable(ScrollView, can_focus=True):
    """Agents and families with their gauges, and a cursor on one agent through every change."""

    BINDINGS: ClassVar[list[BindingType]] = TABLE_BINDINGS
    DEFAULT_CSS = """
    AgentTable {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        background: $background;
        & .table--head { color: $foreground 55%; text-style: bold; }
        & .table--sorted { color: $accent; text-style: bold; }
        & .table--name { color: $foreground; }
        & .table--family { color: $accent; }
        & .table--muted { color: $foreground 60%; }
        & .table--ok { color: $success; }
        & .table--warning { color: $warning; text-style: bold; }
        & .table--exceeded { color: $error; text-style: bold; }
        & .table--track { background: $foreground 12%; }
        & .table--mark { color: $warning; }
        & .table--share { color: $secondary 75%; }
        & .table--trend { color: $primary 80%; }
        & .table--cursor { background: $primary 18%; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = component_classes(DEFAULT_CSS)

    order: reactive[Order] = reactive[Order]("used", init=False, repaint=False)
    reverse: reactive[bool] = reactive(False, init=False, repaint=False)
    query_words: reactive[tuple[str, ...]] = reactive[tuple[str, ...]]((), init=False, repaint=False)
    """Filter words: only agents with all of them in their ids are shown, in any case."""
    vacancy: reactive[str] = reactive("", init=False)
    """The text shown without rows."""
    cursor: reactive[int] = reactive(0, init=False, repaint=False)
    """Index of the row under the cursor."""

    class Opened(Message):
        """A row was opened."""

        def __init__(self, row: Row) -> None:
            super().__init__()
            self.row = row

    class Sorted(Message):
        """The order has changed."""

        def __init__(self, order: Order, *, reverse: bool) -> None:
            super().__init__()
            self.order = order
            self.reverse = reverse

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: tuple[Row, ...] = ()
        self._snapshot: Snapshot | None = None
        self._kept = RowCache()
        self._now = 0.0
        self._folded: frozenset[str] = frozenset()
        self._need = Extent(0, 0)
        self._columns: tuple[Column, ...] = ()
        self._fitted: tuple[int, Extent] | None = None
        self._drawn: dict[int, list[Cell]] = {}
        """Line → its cells, as last drawn."""
        self._styles: dict[str, Style] = {}
        self._painters: dict[bool, RowPainter] = {}
        """Under the cursor or not → the painter of one drawing."""

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    @property
    def agents(self) -> int:
        """The number of agents."""
        return len(self._snapshot.agents) if self._snapshot else 0

    @property
    def limited_families(self) -> int:
        """The number of families with a limit."""
        return len(self._snapshot.families) if self._snapshot else 0

    def show(self, snapshot: Snapshot, now: float) -> None:
        """Show a snapshot at a moment in unix seconds."""
        self._snapshot, self._now = snapshot, now
        self._bring_up()

    def tick(self, now: float) -> None:
        """Bring the table up to a moment."""
        same_minute = now // 60 == self._now // 60
        self._now = now
        if self.order in MOVING and now - self._kept.sorted_at >= MOVE_SECONDS:
            self._bring_up()
        else:
            self._draw_changed(all_lines=not same_minute)

    def watch_order(self) -> None:
        """Sort."""
        self._bring_up()
        self.refresh(Region(0, 0, self.size.width, HEAD_LINES))

    watch_reverse = watch_order

    def watch_query_words(self) -> None:
        """Filter."""
        self._bring_up()

    def _bring_up(self) -> None:
        if self._snapshot is None:
            return
        old, followed = self.rows, self._is_cursor_visible()
        key = old[self.cursor].row_key if self.cursor < len(old) else None
        wanted = Arrangement(self.order, self.reverse, self._folded, self.query_words)
        self._kept.show(self._snapshot, self._now, wanted)
        rows = self.rows = self._kept.rows
        place = max(0, min(self.cursor, len(rows) - 1))
        if key is not None and (row := self._kept.row_of(key)) is not None and row in rows:
            place = rows.index(row)
        self.set_reactive(AgentTable.cursor, place)
        if self._kept.need != self._need or len(old) != len(rows):
            self._need = self._kept.need
            self.virtual_size = Size(self._cells, len(rows) + HEAD_LINES)
            self.refresh()
        else:
            self._draw_changed(all_lines=True)
        if followed and key is not None:
            self._show_cursor()

    def watch_cursor(self, old: int, new: int) -> None:
        """Draw the old row and the new one."""
        self._refresh_row(old)
        self._refresh_row(new)
        self._show_cursor()

    def on_resize(self, _: Resize) -> None:
        """Keep the cursor on the screen."""
        self.virtual_size = Size(self._cells, len(self.rows) + HEAD_LINES)
        self._show_cursor()
        self.refresh()

    def on_click(self, event: Click) -> None:
        """Move the cursor to the clicked row; fold at its sign, open at the second click; or sort."""
        at = event.get_content_offset(self)
        if at is None:
            return
        if at.y < HEAD_LINES:
            self._sort_by_column(at.x)
            return
        index = at.y - HEAD_LINES + self.scroll_offset.y
        if index >= len(self.rows):
            return
        self.move_to(index)
        row = self.rows[index]
        begin = SIGN_CELLS + 2 * row.depth
        if row.folded is not None and begin <= at.x < begin + 2:
            self.action_toggle_fold()
        elif event.chain == 2:
            self.action_open()

    def _sort_by_column(self, x: int) -> None:
        column = column_at(self._columns_now(), x)
        if column is not None and column.order is not None:
            self.sort(column.order, reverse=column.order == self.order and not self.reverse)

    def set_order(self, order: Order, *, reverse: bool) -> None:
        """Set the order, without a message."""
        self.order, self.reverse = order, reverse

    def sort(self, order: Order, *, reverse: bool = False) -> None:
        """Set the order by the person's wish, with a message."""
        self.set_order(order, reverse=reverse)
        self.post_message(self.Sorted(order, reverse=reverse))

    def action_next_order(self) -> None:
        """Sort by the next order."""
        self.sort(ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)])

    def action_reverse(self) -> None:
        """Reverse the order."""
        self.sort(self.order, reverse=not self.reverse)

    def action_open(self) -> None:
        """Show the row under the cursor in detail."""
        if self.current is not None:
            self.post_message(self.Opened(self.current))

    def action_fold(self, folded: bool) -> None:
        """Fold or unfold the family under the cursor; from a leaf, move to its family."""
        row = self.current
        if row is not None and folded and row.folded is not False:
            # As in every tree: from a leaf or a folded family to the family around.
            around = next((i for i in range(self.cursor, -1, -1) if self.rows[i].depth < row.depth), None)
            if around is not None:
                self.move_to(around)
            return
        if row is not None and row.folded is not None and row.folded != folded:
            self.action_toggle_fold()

    def action_toggle_fold(self) -> None:
        """Fold the family under the cursor, or unfold it."""
        row = self.current
        if row is not None and row.folded is not None:
            self._folded = self._folded ^ {row.key}
            self._bring_up()

    def fold_all(self, *, folded: bool) -> None:
        """Fold every family, or none."""
        self._folded = frozenset(self._kept.families) if folded else frozenset()
        self._bring_up()

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.move_to(self.cursor + lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by screens."""
        self.move_to(self.cursor + pages * max(1, self.size.height - HEAD_LINES - 1))

    def action_first(self) -> None:
        """Move the cursor to the first row."""
        self.move_to(0)

    def action_last(self) -> None:
        """Move the cursor to the last row."""
        self.move_to(len(self.rows) - 1)

    def move_to(self, index: int) -> None:
        """Move the cursor to a row, or the nearest one."""
        self.cursor = max(0, min(index, len(self.rows) - 1))

    @property
    def _cells(self) -> int:
        """The width without the scrollbar."""
        return self.scrollable_content_region.width - self.show_vertical_scrollbar

    def _columns_now(self) -> tuple[Column, ...]:
        """Return columns for the present width: the scrollbar comes and goes without an event."""
        wanted = (self._cells, self._need)
        if wanted != self._fitted:
            self._fitted = wanted
            self._columns = fit_columns(*wanted)
        return self._columns

    def _visible_lines(self) -> int:
        return max(0, self.size.height - HEAD_LINES)

    def _is_cursor_visible(self) -> bool:
        return 0 <= self.cursor - self.scroll_offset.y < max(1, self._visible_lines())

    def _show_cursor(self) -> None:
        first, lines = self.scroll_offset.y, self._visible_lines()
        if not lines:
            return
        if self.cursor < first:
            self.scroll_to(y=self.cursor, animate=False, immediate=True)
        elif self.cursor >= first + lines:
            self.scroll_to(y=self.cursor - lines + 1, animate=False, immediate=True)

    def _refresh_row(self, index: int) -> None:
        line = index - self.scroll_offset.y
        if 0 <= line < self._visible_lines():
            self.refresh(Region(0, line + HEAD_LINES, self.size.width, 1))

    def _draw_changed(self, *, all_lines: bool) -> None:
        """Redraw changed lines; where only time has passed, only those of active rows."""
        self._painters.clear()
        first, minute = self.scroll_offset.y, int(self._now // 60)
        for index in range(first, min(len(self.rows), first + self._visible_lines())):
            row = self.rows[index]
            minutes = row.source.minutes
            if not all_lines and (not minutes or minutes[-1][0] < minute - ACTIVE_MINUTES):
                continue
            y = index - first + HEAD_LINES
            if self._drawn.get(y) != self._row(row, under_cursor=self._is_under_cursor(index)):
                self._refresh_row(index)

    def _is_under_cursor(self, index: int) -> bool:
        return index == self.cursor and self.has_focus

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw lines; cached styles hold for one drawing."""
        self._styles.clear()
        self._painters.clear()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """Draw one line: the heads, a row, or nothing."""
        if y < HEAD_LINES:
            styles = self._style("head"), self._style("sorted")
            segments = heads(self._columns_now(), self.order, *styles, reverse=self.reverse)
        else:
            index = y - HEAD_LINES + self.scroll_offset.y
            if index < len(self.rows):
                under_cursor = self._is_under_cursor(index)
                cells = self._drawn[y] = self._row(self.rows[index], under_cursor=under_cursor)
                segments = self._joined(cells, under_cursor=under_cursor)
            elif not self.rows and y == HEAD_LINES + 1:
                filtered = tr("No agent's name has this in it. Esc clears the filter.")
                vacancy = filtered if self.query_words else self.vacancy
                segments = [Segment("  " + fit(vacancy, self._cells - 2), self._style("muted"))]
            else:
                segments = []
        return Strip(segments).adjust_cell_length(self._cells, self.rich_style)

    def _joined(self, cells: list[Cell], *, under_cursor: bool) -> list[Segment]:
        blank = Segment(_BLANK, self.rich_style + self._ground(under_cursor=under_cursor))
        segments: list[Segment] = []
        for cell in cells:
            if segments:
                segments.append(blank)
            segments += cell
        return segments

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = self.get_visual_style(f"table--{name}").rich_style
        return style

    def _ground(self, *, under_cursor: bool) -> Style:
        if not under_cursor:
            return Style()
        return Style(bgcolor=self._style("cursor").bgcolor, reverse=self.app.no_color)

    def _row(self, row: Row, *, under_cursor: bool) -> list[Cell]:
        painter = self._painters.get(under_cursor)
        if painter is None:
            painter = self._painters[under_cursor] = self._painter(under_cursor=under_cursor)
        return painter.cells(row)

    def _painter(self, *, under_cursor: bool) -> RowPainter:
        assert self._snapshot is not None  # as the rows come from it
        base = self._styles.get("")
        if base is None:
            base = self._styles[""] = self.rich_style  # computed again at every access
        return RowPainter(
            style=self._style,
            base=base,
            ground=self._ground(under_cursor=under_cursor),
            now=self._now,
            snapshot=self._snapshot,
            columns=self._columns_now(),
        )

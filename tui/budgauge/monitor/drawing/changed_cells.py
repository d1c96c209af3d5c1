"""Sending only changed cells to the terminal: Textual by itself sends whole lines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from budgauge.monitor.textual_internals import updates

if TYPE_CHECKING:
    from budgauge.monitor.textual_internals import ChopsUpdate, LayoutUpdate

JOINED_CELLS = 8
"""Unchanged cells sent along between two changes: a cursor move takes more bytes."""
_KEPT_STYLES = 1024

_Cell = tuple["str | None", "Style | None"]
"""The text beginning in a cell (None inside a wide character), and the style."""
_UNKNOWN: _Cell = ("", None)
"""Equals no cell that is drawn."""


class Shown:
    """The terminal's content, cell by cell. Every update goes through `only_changed`."""

    def __init__(self) -> None:
        self._lines: dict[int, list[_Cell]] = {}
        self._styles: dict[Style, Style] = {}
        self._updates = updates()

    def only_changed(self, update: RenderableType | None) -> RenderableType | None:
        """Return an update without the cells already shown; or the same one, if unreadable."""
        types = self._updates
        if types is None or update is None or not types.is_known(update):
            return update
        known: ChopsUpdate | LayoutUpdate = update  # type: ignore[assignment]  # as was just seen
        # The comparison waits until the update is sent, for the terminal may change until then.
        return types.replaced(update, lambda console: self.send(known, console))

    def send(self, update: ChopsUpdate | LayoutUpdate, console: Console) -> str:
        """Return the text to send for an update; a layout is sent whole, because anything may stand there before."""
        if self._updates is not None and isinstance(update, self._updates.whole):
            self._lines.clear()
            for y, strips in enumerate(update.strips, update.region.y):
                self._note(y, update.region.x, [cell for strip in strips for cell in self._cells(strip)])
            return update.render_segments(console)
        return "".join(self._changes(update, console))  # type: ignore[arg-type]  # there are two kinds

    def _changes(self, update: ChopsUpdate, console: Console) -> Iterator[str]:
        for y, begin, end in update.spans:
            for (x, strip), strip_end in zip(update.chops[y].items(), update.chop_ends[y], strict=False):
                first, last = max(x, begin), min(strip_end, end)
                if strip is None or first >= last:
                    continue
                if (first, last) != (x, strip_end):
                    strip = strip.crop(first - x, last - x)
                yield from self._sent(y, first, self._cells(strip), console)

    def _sent(self, y: int, x: int, cells: list[_Cell], console: Console) -> Iterator[str]:
        before = self._line(y, x + len(cells))[x : x + len(cells)]
        if before == cells:
            return
        self._note(y, x, cells)
        for begin, end in _changed_runs(before, cells):
            while begin and cells[begin][0] is None:
                begin -= 1
            while end < len(cells) and cells[end][0] is None:
                end += 1
            segments = [Segment(text, style) for text, style in cells[begin:end] if text is not None]
            move = Control.move_to(x + begin, y).segment.text
            yield move + Strip(Segment.simplify(segments)).render(console)

    def _note(self, y: int, x: int, cells: list[_Cell]) -> None:
        """Note cells as shown; wide characters cut by them are not shown any more."""
        end = x + len(cells)
        line = self._line(y, end + 1)
        cut = x
        while cut and line[cut][0] is None:
            cut -= 1
            line[cut] = _UNKNOWN
        cut = end
        while cut < len(line) and line[cut][0] is None:
            line[cut] = _UNKNOWN
            cut += 1
        line[x:end] = cells

    def _line(self, y: int, cells: int) -> list[_Cell]:
        line = self._lines.setdefault(y, [])
        line += [_UNKNOWN] * (cells - len(line))
        return line

    def _cells(self, strip: Strip) -> list[_Cell]:
        cells: list[_Cell] = []
        if len(self._styles) > _KEPT_STYLES:
            self._styles.clear()
        for text, style, control in strip:
            if control:
                continue
            # The same object for equal styles: cells are compared far more often than drawn.
            same = self._styles.setdefault(style := style or Style.null(), style)
            if _is_plain(text):
                cells += [(character, same) for character in text]
            elif text:
                cells.append((text, same))
                cells += [(None, same)] * (cell_len(text) - 1)
        return cells


@lru_cache(1024)
def _is_plain(text: str) -> bool:
    """Return True if each character takes one cell."""
    return text.isascii() or all(cell_len(character) == 1 for character in text)


def _changed_runs(before: list[_Cell], after: list[_Cell]) -> Iterator[tuple[int, int]]:
    """Yield the runs of changed cells, joined where few cells lie between them."""
    begin = end = -1
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        if old is new or old == new:
            continue
        if end < 0:
            begin = index
        elif index - end > JOINED_CELLS:
            yield begin, end
            begin = index
        end = index + 1
    if end > 0:
        yield begin, end

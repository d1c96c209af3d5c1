"""The filter's input line."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.widgets import Input

from budgauge.monitor.keys import bound
from budgauge.monitor.language import mark, tr


class FilterLine(Input):
    """A filter as you type; Enter returns to the table, Esc clears the filter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bound("down", "submit", "filter.table", mark("To the table"), mark("Back to the table"), show=False),
    ]
    DEFAULT_CSS = """
    FilterLine {
        height: 1;
        padding: 0;
        border: none;
        background: $panel;
        color: $foreground;
        &:focus { border: none; background-tint: $foreground 0%; }
    }
    """

    def __init__(self) -> None:
        super().__init__(placeholder=tr("Filter by name; Esc clears"), max_length=128, select_on_focus=False)

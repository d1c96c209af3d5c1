"""The filter's input line."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from budgauge.monitor.language import mark, tr


class FilterLine(Input):
    """A filter as you type; Enter returns to the table, Esc clears the filter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "down", "submit", mark("To the table"), show=False, id="filter.table", tooltip=mark("Back to the table")
        ),
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

"""The line that a filter is typed into."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class FilterLine(Input):
    """Filters as you type; Enter goes back to the table, Esc clears it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Clear", show=False, id="filter.clear", tooltip="Clear the filter"),
        Binding("down", "submit", "To the table", show=False, id="filter.table", tooltip="Back to the table"),
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

    class Closed(Message):
        """The filter is no longer wanted."""

    def __init__(self) -> None:
        super().__init__(placeholder="Filter by name; Esc clears", max_length=128, select_on_focus=False)

    def action_close(self) -> None:
        """Clear it and go."""
        self.post_message(self.Closed())

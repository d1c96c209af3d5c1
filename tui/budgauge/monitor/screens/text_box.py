"""The base of modal screens with lines of text in a box."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Click
from textual.screen import ModalScreen
from textual.widgets import Static

from budgauge.monitor.language import tr


class TextBox(ModalScreen[None]):
    """Lines in a box; a click outside closes the screen."""

    def __init__(self, id: str, title: str, lines: Iterable[Content]) -> None:
        """`id` is the box's."""
        super().__init__()
        self._box_id, self._box_title, self._lines = id, title, lines

    def on_click(self, event: Click) -> None:
        """Close at a click outside the box."""
        if self.get_widget_at(*event.screen_offset)[0] is self:
            self.dismiss()

    def compose(self) -> ComposeResult:
        """Yield the box."""
        with VerticalScroll(id=self._box_id) as box:
            box.border_title = self._box_title
            box.border_subtitle = tr("Esc closes")
            yield Static(Content("\n").join(self._lines))

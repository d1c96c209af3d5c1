"""The screen of agents' logs: their calls and skipped lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Click
from textual.screen import ModalScreen
from textual.widgets import Static

from budgauge.monitor.language import mark, tr
from budgauge.text import safe

_NOTHING = (
    mark("Nothing was collected since the monitor was opened."),
    mark("Every skipped line so far: budgauge doctor"),
)


class Logs(ModalScreen[None]):
    """A collector's lines on its sources; Esc closes."""

    AUTO_FOCUS = "#logs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,l,q", "dismiss", mark("Close"), id="logs.close", tooltip=mark("Close this")),
    ]

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self._lines = tuple(lines) or tuple(map(tr, _NOTHING))

    def on_click(self, event: Click) -> None:
        """Close at a click beside the box."""
        if self.get_widget_at(*event.screen_offset)[0] is self:
            self.dismiss()

    def compose(self) -> ComposeResult:
        """Yield the lines."""
        with VerticalScroll(id="logs") as box:
            box.border_title = tr("agents' logs")
            box.border_subtitle = tr("Esc closes")
            yield Static(Content("\n").join(Content(safe(line)) for line in self._lines))

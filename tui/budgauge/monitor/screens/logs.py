"""The screen of agents' logs: their calls and skipped lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from budgauge.monitor.language import mark, tr
from budgauge.monitor.screens.text_box import TextBox
from budgauge.text import safe

_NOTHING = (
    mark("Nothing was collected since the monitor was opened."),
    mark("Every skipped line so far: budgauge doctor"),
)


class Logs(TextBox):
    """A collector's lines on its sources; Esc closes."""

    AUTO_FOCUS = "#logs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,l,q", "dismiss", mark("Close"), id="logs.close", tooltip=mark("Close this")),
    ]

    def __init__(self, lines: Sequence[str]) -> None:
        shown = map(safe, lines) if lines else map(tr, _NOTHING)
        super().__init__("logs", tr("agents' logs"), list(map(Content, shown)))

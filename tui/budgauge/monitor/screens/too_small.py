"""The screen of a terminal too small for anything else."""

from __future__ import annotations

from textual.content import Content

from budgauge.monitor.language import tr
from budgauge.monitor.widgets.drawing import Drawing


class TooSmall(Drawing):
    """The terminal's size, and the needed size."""

    DEFAULT_CSS = """
    TooSmall {
        width: 100%;
        height: 100%;
        content-align: center middle;
        text-align: center;
        text-wrap: wrap;
        color: $foreground 80%;
    }
    """

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        self._needs = f"{width} x {height}"

    def draw(self, cells: int) -> list[Content]:
        """Return two lines."""
        size = self.app.size
        has = tr("Too small: {size}", size=f"{size.width} x {size.height}")
        return [Content(has), Content(tr("budgauge needs {size}", size=self._needs))]

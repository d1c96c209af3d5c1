"""Cost and rate in one line, where there is no room for their panels."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content
from textual.reactive import reactive

from budgauge.monitor.language import tr
from budgauge.monitor.widgets.cost import cost_line
from budgauge.monitor.widgets.drawing import Drawing, in_order
from budgauge.monitor.widgets.rate import rate_words
from budgauge.status.snapshot import Snapshot
from budgauge.text import short


def summary_pieces(snapshot: Snapshot, now: float) -> tuple[str, ...]:
    """What to say, the most important first."""
    cost = snapshot.cost
    unpriced = tr("{n} unpriced", n=short(cost.unpriced_tokens)) if cost.unpriced_tokens else ""
    return tuple(filter(None, (cost_line(cost.total_usd, cost.upper_usd), rate_words(snapshot, now), unpriced)))


class Summary(Drawing):
    """One line; what does not fit is left out."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"summary--text"}
    DEFAULT_CSS = """
    Summary {
        height: 1;
        & .summary--text { color: $foreground 75%; }
    }
    """

    pieces: reactive[tuple[str, ...]] = reactive((), init=False)
    """What to say, the most important first."""

    def draw(self, cells: int) -> list[Content]:
        """The pieces that fit."""
        return [in_order([(piece, self.part("summary--text")) for piece in self.pieces], cells, gap=" · ")]

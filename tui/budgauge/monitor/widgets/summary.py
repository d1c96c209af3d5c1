"""Cost and rate in one line, in place of their panels."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive

from budgauge.monitor.language import tr
from budgauge.monitor.widgets.cost import cost_line
from budgauge.monitor.widgets.drawing import Drawing, in_order
from budgauge.monitor.widgets.rate import rate_words
from budgauge.status.snapshot import Snapshot
from budgauge.text import short


def summary_pieces(snapshot: Snapshot, now: float) -> tuple[str, ...]:
    """Return the pieces, the most important first."""
    cost = snapshot.cost
    unpriced = tr("{n} unpriced", n=short(cost.unpriced_tokens)) if cost.unpriced_tokens else ""
    return tuple(filter(None, (cost_line(cost.total_usd, cost.upper_usd), rate_words(snapshot, now), unpriced)))


class Summary(Drawing):
    """One line of as many pieces as room permits."""

    DEFAULT_CSS = """
    Summary {
        height: 1;
        & .summary--text { color: $foreground 75%; }
    }
    """

    pieces: reactive[tuple[str, ...]] = reactive((), init=False)
    """The most important first."""

    def draw(self, cells: int) -> list[Content]:
        """Return the pieces with room."""
        return [in_order([(piece, self.part("summary--text")) for piece in self.pieces], cells, gap=" · ")]

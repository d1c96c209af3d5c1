"""How fast tokens are being spent."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from textual.content import Content
from textual.reactive import reactive

from budgauge.monitor.rate import columns, current_rate, last_minutes
from budgauge.monitor.widgets.drawing import Drawing, spread
from budgauge.snapshot import Snapshot
from budgauge.text import count, short

SPAN_MINUTES = 180
"""How far back the chart can reach."""


class RateFace(msgspec.Struct, frozen=True, kw_only=True):
    """What the panel shows."""

    rate: str
    """Tokens in the last minute."""
    minutes: tuple[int, ...]
    """Tokens of each of the last minutes, the present one last."""


def rate_face(snapshot: Snapshot, now: float) -> RateFace:
    """The part of a snapshot that the panel shows at a moment (unix seconds)."""
    return RateFace(rate=rate_words(snapshot, now), minutes=last_minutes(snapshot.minutes, now, SPAN_MINUTES))


def rate_words(snapshot: Snapshot, now: float) -> str:
    """The present rate as a number."""
    rate = current_rate(snapshot.minutes, now)
    return f"{count(rate) if rate < 10_000 else short(rate)} / min"


class RatePanel(Drawing):
    """The present rate as a number, and a chart of one column a minute."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"rate--number", "rate--label", "rate--chart", "rate--now"}
    DEFAULT_CSS = """
    RatePanel {
        & .rate--number { color: $foreground; text-style: bold; }
        & .rate--label { color: $foreground 60%; }
        & .rate--chart { color: $primary 70%; }
        & .rate--now { color: $primary; }
    }
    """

    face: reactive[RateFace | None] = reactive(None, init=False)
    """What is shown; None until the first view."""

    def draw(self, cells: int) -> list[Content]:
        """The number, the chart, and its scale where there is room for it."""
        face, height = self.face, self.content_size.height
        if face is None or cells < 4:
            return []
        label = self.part("rate--label")
        values = face.minutes[-cells:]
        peak = f"peak {short(max(values, default=0))}"
        lines = [spread([(face.rate, self.part("rate--number"))], [("  " + peak, label)], cells)]
        scale = height >= 4
        for chart in columns(values, max(1, height - 1 - scale)):
            past, now = chart[:-1], chart[-1:]
            lines.append(Content.assemble((past, self.part("rate--chart")), (now, self.part("rate--now"))))
        if scale:
            lines.append(spread([(f"{len(values)} min ago", label)], [("now", label)], cells))
        return lines

"""The rate of spending."""

from __future__ import annotations

import msgspec
from textual.content import Content
from textual.reactive import reactive

from budgauge.accounting.forecast import Rates, last_minutes, rate_now, rates
from budgauge.monitor.drawing.chart import columns
from budgauge.monitor.language import tr
from budgauge.monitor.widgets.drawing import Drawing, spread
from budgauge.status.snapshot import Snapshot
from budgauge.text import count, fit, safe, short

SPAN_MINUTES = 180
"""The most minutes of the chart."""
_LEAST_SPAN = 12
"""The least minutes of the chart; younger usage begins at the right."""
_WIDEST = 4
"""Cells of one minute's column."""


class RateViewModel(msgspec.Struct, frozen=True, kw_only=True):
    """The panel's values."""

    rate: str
    """Tokens in the last minute."""
    longer: str
    """Tokens a minute over ten minutes and an hour."""
    fastest: tuple[str, str]
    """The fastest agent and its rate; empty where none spends."""
    peak: str
    minutes: tuple[int, ...]
    """Tokens of each of the last minutes, the present one last."""
    age: int
    """Minutes since the first one with usage."""


def rate_view_model(snapshot: Snapshot, now: float) -> RateViewModel:
    """Return the panel's part of a snapshot at a moment in unix seconds."""
    found = rates(snapshot.minutes, now)
    minutes = last_minutes(snapshot.minutes, now, SPAN_MINUTES)
    first = next((place for place, tokens in enumerate(minutes) if tokens), SPAN_MINUTES)
    return RateViewModel(
        rate=rate_words(snapshot, now),
        longer=longer_rates(found),
        fastest=_fastest(snapshot, now),
        peak=tr("peak {n}", n=short(max(round(found.one), *minutes))),
        minutes=minutes,
        age=SPAN_MINUTES - first,
    )


def _fastest(snapshot: Snapshot, now: float) -> tuple[str, str]:
    last = now // 60 - 1
    rate, row = 0, None
    for agent in snapshot.active:
        # The last 60 seconds have at most the tokens of two minutes.
        latest = agent.minutes[-1][0]
        if latest > last + 1 or (latest >= last and sum(tokens for _, tokens in agent.minutes[-2:]) >= rate):
            found = rate_now(agent.minutes, now)
            if row is None or (found, agent.used) > (rate, row.used):
                rate, row = found, agent
    return (safe(row.agent_id), short(rate)) if row and rate else ("", "")


def rate_words(snapshot: Snapshot, now: float) -> str:
    """Return the present rate as a number."""
    rate = rate_now(snapshot.minutes, now)
    return tr("{n} / min", n=count(rate) if rate < 10_000 else short(rate))


def longer_rates(found: Rates) -> str:
    """Return tokens a minute over longer times."""
    return tr("10 min {ten} · 1 h {hour}", ten=short(round(found.ten)), hour=short(round(found.hour)))


class RatePanel(Drawing):
    """The present rate as a number, and a chart of the last minutes."""

    DEFAULT_CSS = """
    RatePanel {
        & .rate--chart { color: $primary 70%; }
        & .rate--now { color: $primary; }
    }
    """

    view_model: reactive[RateViewModel | None] = reactive(None, init=False)

    def draw(self, cells: int) -> list[Content]:
        """Return the number, the chart, and with room the scale."""
        data, height = self.view_model, self.content_size.height
        if data is None or cells < 4:
            return []
        label = self.part("muted")
        span = max(1, min(cells, SPAN_MINUTES, max(_LEAST_SPAN, data.age)))
        each = min(_WIDEST, max(1, cells // span))
        span = min(SPAN_MINUTES, cells // each)
        lines = [spread([(data.rate, self.part("number"))], [("  " + data.longer, label)], cells)]
        if height >= 6 and data.fastest[0]:
            name, rate = data.fastest
            lines.append(
                spread([(fit(tr("fastest {name}", name=name), cells - len(rate) - 1), label)], [(rate, label)], cells)
            )
        scale = height >= 4
        values = data.minutes[-span:]
        for chart in columns(values, max(1, height - len(lines) - scale)):
            past, now = ("".join(char * each for char in part) for part in (chart[:-1], chart[-1:]))
            lines.append(Content.assemble((past, self.part("rate--chart")), (now, self.part("rate--now"))))
        if scale:
            lines.append(
                spread([(tr("{n} min ago", n=span), label)], [(data.peak + "  ", label), (tr("now"), label)], cells)
            )
        return lines

"""The charts over time: tokens a minute by agent, and the cost so far."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import msgspec
from textual.color import Color
from textual.content import Content
from textual.reactive import reactive
from textual.style import Style

from budgauge.monitor.drawing.chart import Cell, round_top, stacked, trend
from budgauge.monitor.drawing.spans import shown_steps
from budgauge.monitor.drawing.time_text import moment
from budgauge.monitor.drawing.wrap import placed, wrap
from budgauge.monitor.language import dollars, tr, trn
from budgauge.monitor.rows import shown_name
from budgauge.monitor.widgets.cost import unpriced_text
from budgauge.monitor.widgets.drawing import Drawing, spread
from budgauge.status.snapshot import Snapshot
from budgauge.text import count, fit, percent, safe, short, width
from budgauge.views.scan import Span, TimeReport

NAMED = 6
"""Agents with a colour of their own."""
_HUES = (0, 45, -45, 95, 150, 215)
"""Hues of these colours, in degrees from the theme's primary colour."""
_AXIS_CELLS = 6
_COST_LINES = 6
_LEAST_LINES = 4
_TREND_CELLS = 48


class TimeViewModel(msgspec.Struct, frozen=True, kw_only=True):
    """The values shown by `TimeChart`."""

    snapshot: Snapshot
    now: float
    """Unix seconds of the present minute."""
    title: str
    """The chart's reach."""
    note: str
    trouble: str
    """The reason why the ledger could not be read."""
    read: tuple[Span, Span, TimeReport] | None
    """The spans of chart and counters, and the report; None before anything was read."""
    since: str

    @property
    def is_priced(self) -> bool:
        """True if the cost is known, and the budget's too if there is one."""
        cost = self.snapshot.cost
        return cost.total_usd is not None and (cost.budget_usd is not None or not self.snapshot.total_budget)

    @property
    def budget(self) -> float | None:
        """The whole budget in US dollars, or in tokens where nothing is priced; None for unlimited."""
        whole = self.snapshot.cost.budget_usd if self.is_priced else self.snapshot.total_budget or None
        return None if whole is None else float(whole)


class TimeChart(Drawing):
    """Charts below each other, as tall as the screen permits."""

    DEFAULT_CSS = """
    TimeChart {
        width: 100%;
        & .time--other { color: $foreground 45%; }
        & .time--cost { color: $primary 80%; }
        & .time--budget { color: $warning; }
    }
    """

    view_model: reactive[TimeViewModel | None] = reactive(None, init=False)
    room: reactive[int] = reactive(20, init=False)
    """Lines visible at once."""

    def draw(self, cells: int) -> list[Content]:
        """Return the chart, its legend, and the cost."""
        data = self.view_model
        if data is None:
            return []
        label = self.part("muted")
        lines = [
            spread(
                [(tr("tokens a minute, {time}", time=data.title), self.part("title"))],
                [("  " + data.note, label)],
                cells,
            )
        ]
        if data.trouble:
            lines += [Content.styled(text, self.part("time--budget")) for text in wrap(safe(data.trouble), cells, 3)]
        if data.read is None:
            return lines
        span, _, report = data.read
        cost = self._cost(data, data.read, cells)
        steps = shown_steps(span, data.now)
        agents = [(name, tokens[steps]) for name, tokens in report.agents]
        agents = [(name, tokens) for name, tokens in agents if any(tokens)]
        if not agents:
            return [*lines, Content.styled(tr("Nothing was used in this time."), label), *cost]
        series = _series(agents)
        legend = self._legend(series, cells)
        height = max(_LEAST_LINES, self.room - len(lines) - 1 - len(legend) - (len(cost) if self.room >= 24 else 0))
        lines += self._chart(series, span.step, span.begin + steps.start * span.step, height, cells)
        return [*lines, *legend, *cost]

    def _chart(
        self, series: Sequence[tuple[str, Sequence[int]]], step: int, begin: int, height: int, cells: int
    ) -> list[Content]:
        number = len(series[0][1])
        each = max(1, (cells - _AXIS_CELLS) // number)
        minutes = step / 60
        peak = max(map(sum, zip(*(tokens for _, tokens in series), strict=True)))
        top = round_top(max(1, round(peak / minutes)))
        drawn = stacked([tokens for _, tokens in series], height, round(top * minutes))
        label = self.part("muted")
        lines = []
        for place, row in enumerate(drawn):
            axis = short(top) if place == 0 else short(top // 2) if place == height // 2 and height > 5 else ""
            lines.append(Content.styled(f"{axis:>{_AXIS_CELLS - 1}} ", label) + self._cells(row, each))
        return [*lines, self._times(begin, step, number, each)]

    def _cells(self, row: Sequence[Cell], each: int) -> Content:
        pieces: list[tuple[str, Style]] = []
        for char, front, back in row:
            style = Style() if front is None else self._color(front)
            if back is not None:
                style += Style(background=self._color(back).foreground)
            pieces.append((char * each, style))
        return Content.assemble(*pieces)

    def _color(self, number: int) -> Style:
        if number >= NAMED:
            return self.part("time--other")
        primary = Color.parse(self.app.theme_variables["primary"]).hsl
        lightness = 0.66 if self.app.current_theme.dark else 0.40
        hue = (primary.h + _HUES[number] / 360) % 1
        return Style(foreground=Color.from_hsl(hue, 0.62, lightness))

    def _times(self, begin: int, step: int, number: int, each: int) -> Content:
        """Return local times for below the chart, as many as have room."""
        line, whole = "", number * each
        words = [moment(begin + step * (place // each), step * number) for place in range(whole)]
        # At cells where steps begin, at equal distances.
        gap = -(-max(14, len(words[0]) + 4) // each) * each
        now = tr("now")
        room = whole - width(now)
        for place in range(0, whole, gap):
            if place + len(words[place]) + 2 <= room:
                line = line.ljust(place) + words[place]
        if room >= 0:
            line = line.ljust(room) + now
        return Content.styled(" " * _AXIS_CELLS + line, self.part("muted"))

    def _legend(self, series: Sequence[tuple[str, Sequence[int]]], cells: int) -> list[Content]:
        """Return the legend: each agent's tokens, share and trend, readable without colours."""
        whole = sum(sum(tokens) for _, tokens in series)
        numbers = [count(sum(tokens)) for _, tokens in series]
        number_cells = max(map(len, numbers))
        # A full id comes before its trend.
        name_cells = min(max(width(name) for name, _ in series), max(8, cells - number_cells - 12))
        lines = []
        for place, ((name, tokens), number) in enumerate(zip(series, numbers, strict=True)):
            line = Content.assemble(
                ("█ ", self._color(place)),
                (placed(name, name_cells) + " ", self.part("text")),
                (f"{number:>{number_cells}} ", self.part("number")),
                (f"{percent(sum(tokens) * 100 / whole):>6} ", self.part("muted")),
            )
            room = min(_TREND_CELLS, cells - line.cell_length - 1)
            if room >= 8:
                line += Content.styled(" " + trend(_squeezed(tokens, room)), self._color(place))
            lines.append(line)
        return lines

    def _cost(self, data: TimeViewModel, read: tuple[Span, Span, TimeReport], cells: int) -> list[Content]:
        """Return the cost so far against the whole budget: in dollars, or in tokens where nothing is priced."""
        _, span, report = read
        priced, budget = data.is_priced, data.budget
        steps = [float(cost or 0) for cost in report.costs] if priced else [float(used) for used in report.used]
        before = float(report.cost_before or 0) if priced else float(report.used_before)
        passed = max(1, min(span.number, int((data.now - span.begin) // span.step) + 1))
        sums = list(accumulate(steps[:passed], initial=before))[1:]
        top = max(sums[-1], budget or 0.0) * 1.1 or 1.0
        each = max(1, (cells - _AXIS_CELLS) // span.number)
        scale = 10**6 / top
        drawn = stacked([[round(value * scale) for value in sums]], _COST_LINES, 10**6)
        level = None if budget is None else min(_COST_LINES - 1, int(budget / top * _COST_LINES))
        label, line_style = self.part("muted"), self.part("time--budget")
        lines = [
            Content(""),
            spread(
                [(_cost_title(data), self.part("title"))],
                [(f"  {_spent(data)}", self.part("number"))],
                cells,
            ),
        ]
        if priced and (unpriced := unpriced_text(data.snapshot)):
            lines.append(Content.styled(fit(unpriced, cells), label))
        for place, row in enumerate(drawn):
            text = "".join(char * each for char, _, _ in row)
            is_level = level is not None and place == _COST_LINES - 1 - level
            axis = placed(tr("budget") if is_level else "", _AXIS_CELLS)
            shown = Content.styled(axis, line_style if is_level else label)
            if is_level:
                whole = text.ljust(span.number * each)
                # The budget's line goes on in front of higher columns.
                styles = {" ": line_style, "█": line_style + Style(background=self.part("time--cost").foreground)}
                shown += Content.assemble(
                    *(("─", styles[char]) if char in styles else (char, self.part("time--cost")) for char in whole)
                )
            else:
                shown += Content.styled(text, self.part("time--cost"))
            lines.append(shown)
        return [*lines, self._times_of(span, each)]

    def _times_of(self, span: Span, each: int) -> Content:
        begin, end = moment(span.begin, span.step * span.number), moment(span.end, span.step * span.number)
        gap = max(1, span.number * each - len(begin) - len(end))
        return Content.styled(" " * _AXIS_CELLS + begin + " " * gap + end, self.part("muted"))


def _cost_title(data: TimeViewModel) -> str:
    if data.is_priced:
        what = tr("cost against the budget, {since}") if data.budget is not None else tr("cost, {since}")
    else:
        what = tr("tokens against the budget, {since}") if data.budget is not None else tr("tokens, {since}")
    return what.format(since=data.since)


def _spent(data: TimeViewModel) -> str:
    snapshot = data.snapshot
    if data.is_priced:
        cost = dollars(snapshot.cost.total_usd)
        return cost if data.budget is None else tr("{cost} of {budget}", cost=cost, budget=f"${data.budget:,.2f}")
    used = count(snapshot.total_used)
    if data.budget is None:
        return tr("{n} tokens", n=used)
    return tr("{n} of {budget} tokens", n=used, budget=count(snapshot.total_budget))


def _series(agents: Sequence[tuple[str, Sequence[int]]]) -> list[tuple[str, Sequence[int]]]:
    """Return a series for each top spender and one for all others, the largest first."""
    ordered = sorted(agents, key=lambda agent: -sum(agent[1]))
    series = [(shown_name(name), tokens) for name, tokens in ordered[:NAMED]]
    if others := ordered[NAMED:]:
        rest = [sum(step) for step in zip(*(tokens for _, tokens in others), strict=True)]
        series.append((trn("{n} other", "{n} others", len(others)), rest))
    return series


def _squeezed(values: Sequence[int], cells: int) -> list[int]:
    """Return sums of neighbours, to fit the cells."""
    each = -(-len(values) // cells)
    return [sum(values[place : place + each]) for place in range(0, len(values), each)]

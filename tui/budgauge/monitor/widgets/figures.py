"""Large figures: tokens left, time left, and rate."""

from __future__ import annotations

from typing import Literal

import msgspec
from textual.content import Content
from textual.reactive import reactive

from budgauge.accounting.forecast import rates, spike
from budgauge.monitor.drawing.big import big, big_cells
from budgauge.monitor.drawing.outlook import total_outlook
from budgauge.monitor.language import tr
from budgauge.monitor.widgets.drawing import Drawing, Piece
from budgauge.monitor.widgets.rate import longer_rates
from budgauge.status.snapshot import Snapshot
from budgauge.text import fit, short, width

Level = Literal["ok", "warning", "exceeded", "plain", "unknown"]
_GAP = 4
_LABEL_CELLS = 26
"""Least cells of a label; a longer one is cut."""


class Figure(msgspec.Struct, frozen=True):
    """One large figure."""

    text: str
    label: str
    """A caption below."""
    level: Level = "plain"


def figures(snapshot: Snapshot, now: float, *, readable: bool = True) -> tuple[Figure, ...]:
    """Return the total's figures at a moment in unix seconds, the most important first."""
    level: Level = snapshot.state if readable else "unknown"
    shown = []
    outlook = total_outlook(snapshot, now)
    if snapshot.remaining_budget is None:
        shown.append(Figure(short(snapshot.total_used), tr("tokens used"), "plain" if readable else "unknown"))
    elif snapshot.total_used > snapshot.total_budget:
        shown.append(Figure(short(snapshot.total_used - snapshot.total_budget), tr("tokens over the budget"), level))
    else:
        label = tr("tokens left · warns in {span}", span=outlook.warns) if outlook.warns else tr("tokens left")
        shown.append(Figure(short(snapshot.remaining_budget), label, level))
    if outlook.gone:
        shown.append(Figure(outlook.figure, tr("until it is gone · {range}", range=outlook.between)))
    elif outlook.lasts:
        shown.append(Figure(outlook.figure, tr("to the cycle's end · the budget lasts")))
    found = rates(snapshot.minutes, now)
    label = tr("a minute · {longer}", longer=longer_rates(found))
    fast: Level = "warning" if spike(snapshot.minutes, now) else "plain"
    shown.append(Figure(short(round(found.one)), label, fast))
    return tuple(shown)


class Figures(Drawing):
    """As many figures as room permits."""

    DEFAULT_CSS = """
    Figures {
        & .figures--ok { color: $success; }
        & .figures--warning { color: $warning; }
        & .figures--exceeded { color: $error; }
        & .figures--plain { color: $foreground; }
        & .figures--unknown { color: $foreground 40%; }
    }
    """

    view_model: reactive[tuple[Figure, ...]] = reactive[tuple[Figure, ...]]((), init=False)
    scale: reactive[int] = reactive(1, init=False)

    def draw(self, cells: int) -> list[Content]:
        """Return the lines of the figures, side by side, with their labels below."""
        if not self.view_model:
            return []
        shown, starts = self._placed(cells)
        drawn = [big(figure.text, self.scale) for figure in shown]
        lines = []
        for number in range(len(drawn[0])):
            parts = [
                (lines_of[number], self.part(f"figures--{f.level}")) for f, lines_of in zip(shown, drawn, strict=True)
            ]
            lines.append(_line(parts, starts))
        label = self.part("muted")
        ends = [*(start - 2 for start in starts[1:]), cells]
        labels = [(fit(f.label, end - start), label) for f, start, end in zip(shown, starts, ends, strict=True)]
        return [*lines, _line(labels, starts)]

    def _placed(self, cells: int) -> tuple[tuple[Figure, ...], list[int]]:
        """Return the fitting figures and their columns; spare room goes to cut labels, then to the gaps."""
        shown = self.view_model
        while len(shown) > 1 and sum(map(self._least, shown)) + _GAP * (len(shown) - 1) > cells:
            shown = shown[:-1]
        needs = [self._least(figure) for figure in shown]
        free = cells - sum(needs) - _GAP * (len(shown) - 1)
        for place, figure in enumerate(shown):
            more = max(0, min(free, width(figure.label) - needs[place]))
            needs[place] += more
            free -= more
        gap = _GAP + min(max(0, free) // max(1, len(shown) - 1), 20)
        return shown, [sum(needs[:i]) + gap * i for i in range(len(shown))]

    def _least(self, figure: Figure) -> int:
        return max(big_cells(figure.text, self.scale), min(width(figure.label), _LABEL_CELLS))


def _line(parts: list[Piece], starts: list[int]) -> Content:
    line = Content("")
    for (text, style), start in zip(parts, starts, strict=True):
        line = line.pad_right(max(0, start - line.cell_length)) + Content.styled(text, style)
    return line

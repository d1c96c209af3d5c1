"""The top spenders, in one line."""

from __future__ import annotations

from bisect import bisect_left

import msgspec
from textual.content import Content
from textual.reactive import reactive

from budgauge.accounting.limits import Severity
from budgauge.monitor.drawing.sign import GLYPHS, NO_LIMIT_GLYPH
from budgauge.monitor.language import tr
from budgauge.monitor.widgets.drawing import Drawing
from budgauge.status.snapshot import Snapshot
from budgauge.text import count, fit, safe, width

_MOST = 12


class Spender(msgspec.Struct, frozen=True):
    """An agent and its use."""

    name: str
    used: str
    state: Severity
    has_limit: bool


class SpendersViewModel(msgspec.Struct, frozen=True):
    """The shown agents."""

    first: tuple[Spender, ...] = ()
    """The most important first; the last ones may find no room."""
    total: int = 0
    """The number of agents with usage."""


def spenders(snapshot: Snapshot) -> SpendersViewModel:
    """Return the agents with the most use, after those over their limits."""
    total = bisect_left(snapshot.agents, 0, key=lambda row: -row.used)
    over = [row for row in snapshot.limited if row.state == "exceeded" and row.used][:_MOST]
    most = [row for row in snapshot.agents[: min(total, _MOST)] if row.state != "exceeded"]
    rows = (*over, *most)[:_MOST]
    first = (Spender(safe(row.agent_id), count(row.used), row.state, row.limit is not None) for row in rows)
    return SpendersViewModel(tuple(first), total)


class Spenders(Drawing):
    """As many agents as room permits, and the number of the others."""

    DEFAULT_CSS = """
    Spenders {
        height: 1;
        & .spenders--name { color: $foreground 75%; }
    }
    """

    view_model: reactive[SpendersViewModel] = reactive(SpendersViewModel(), init=False)
    """The shown agents."""

    def draw(self, cells: int) -> list[Content]:
        """Return one line."""
        muted = self.part("muted")
        if not self.view_model.total:
            return [Content.styled(tr("Nothing was used yet."), muted)]
        line = Content("")
        others = self.view_model.total
        for spender in self.view_model.first:
            gap = "  " if line.cell_length else ""
            after = self._others(others - 1)
            room = cells - line.cell_length - len(gap) - width(after) - len(spender.used) - 3
            if width(spender.name) > room and line.cell_length:
                break
            line += gap + self._one(spender, max(1, room))
            others -= 1
        return [line + Content.styled(self._others(others), muted)]

    def _one(self, spender: Spender, room: int) -> Content:
        sign = GLYPHS[spender.state] if spender.has_limit else NO_LIMIT_GLYPH
        style = self.part(spender.state if spender.has_limit else "muted")
        return Content.assemble(
            (f"{sign} ", style),
            (f"{fit(spender.name, room)} ", self.part("spenders--name")),
            (spender.used, self.part("number")),
        )

    def _others(self, others: int) -> str:
        return "  " + tr("+{n} more", n=count(others)) if others else ""

"""The top spenders, in one line."""

from __future__ import annotations

from bisect import bisect_left

import msgspec
from textual.content import Content
from textual.reactive import reactive

from budgauge.monitor.drawing.sign import GLYPHS, NO_LIMIT_GLYPH
from budgauge.monitor.language import tr
from budgauge.monitor.widgets.drawing import Drawing
from budgauge.status.row import AgentRow
from budgauge.status.snapshot import Snapshot
from budgauge.text import count, fit, safe, width

_MOST = 12


class SpendersViewModel(msgspec.Struct, frozen=True):
    """The shown agents."""

    first: tuple[AgentRow, ...] = ()
    """The most important first; the last ones may find no room."""
    total: int = 0
    """The number of agents with usage."""


def spenders(snapshot: Snapshot) -> SpendersViewModel:
    """Return the agents with the most use, after those over their limits."""
    total = bisect_left(snapshot.agents, 0, key=lambda row: -row.used)
    over = [row for row in snapshot.limited if row.state == "exceeded" and row.used][:_MOST]
    most = [row for row in snapshot.agents[: min(total, _MOST)] if row.state != "exceeded"]
    return SpendersViewModel((*over, *most)[:_MOST], total)


class Spenders(Drawing):
    """As many agents as room permits, and the number of the others."""

    DEFAULT_CSS = """
    Spenders {
        height: 1;
        & .spenders--name { color: $foreground 75%; }
    }
    """

    view_model: reactive[SpendersViewModel] = reactive(SpendersViewModel(), init=False)

    def draw(self, cells: int) -> list[Content]:
        """Return one line."""
        muted = self.part("muted")
        if not self.view_model.total:
            return [Content.styled(tr("Nothing was used yet."), muted)]
        line = Content("")
        others = self.view_model.total
        for row in self.view_model.first:
            gap = "  " if line.cell_length else ""
            after = self._others(others - 1)
            room = cells - line.cell_length - len(gap) - width(after) - len(count(row.used)) - 3
            if width(safe(row.agent_id)) > room and line.cell_length:
                break
            line += gap + self._one(row, max(1, room))
            others -= 1
        return [line + Content.styled(self._others(others), muted)]

    def _one(self, row: AgentRow, room: int) -> Content:
        has_limit = row.limit is not None
        return Content.assemble(
            (f"{GLYPHS[row.state] if has_limit else NO_LIMIT_GLYPH} ", self.part(row.state if has_limit else "muted")),
            (f"{fit(safe(row.agent_id), room)} ", self.part("spenders--name")),
            (count(row.used), self.part("number")),
        )

    def _others(self, others: int) -> str:
        return "  " + tr("+{n} more", n=count(others)) if others else ""

"""The first line: name, ledger, and state of the display."""

from __future__ import annotations

from typing import Literal

import msgspec
from textual.content import Content
from textual.reactive import reactive

from budgauge.monitor.language import tr
from budgauge.monitor.widgets.drawing import Drawing, Piece, spread
from budgauge.text import fit_left, safe, width


class TopViewModel(msgspec.Struct, frozen=True, kw_only=True):
    """The line's texts, safe to show."""

    budget: str = ""
    """The owner of the shown budget."""
    ledger: str = ""
    collecting: str = ""
    """The collected records; empty while collecting is off."""
    changed: str = ""
    """Time of day of the last change."""
    paused: bool = False
    demo: bool = False


def budget_words(budget_of: Literal["", "user", "project"]) -> str:
    """Return the owner of the shown budget in words; empty for a named config."""
    if budget_of == "project":
        return tr("project's budget")
    return tr("your budget") if budget_of == "user" else ""


def short_path(path: str, home: str) -> str:
    """Return a path with `~` for the home folder, safe to show."""
    if home and path.startswith(home.rstrip("/") + "/"):
        path = "~" + path[len(home.rstrip("/")) :]
    return safe(path)


class TopLine(Drawing):
    """Name and ledger at the left, the latest events at the right."""

    DEFAULT_CSS = """
    TopLine {
        height: 1;
        padding: 0 1;
        background: $panel;
        & .top--name { color: $primary; text-style: bold; }
        & .top--budget { color: $foreground; }
        & .top--badge { color: $background; background: $warning; text-style: bold; }
        & .top--on { color: $success; }
    }
    """

    view_model: reactive[TopViewModel] = reactive(TopViewModel(), init=False)

    def draw(self, cells: int) -> list[Content]:
        """Return one line; the path gives way first, then the budget's owner."""
        data = self.view_model
        left: list[Piece] = [("budgauge", self.part("top--name"))]
        for shown, badge in ((data.demo, tr("DEMO")), (data.paused, tr("PAUSED"))):
            if shown:
                left += [(" ", self.part("top--name")), (f" {badge} ", self.part("top--badge"))]
        right: list[Piece] = []
        if data.changed:
            right.append(("  " + tr("updated {time}", time=data.changed), self.part("muted")))
        if data.collecting:
            right.append((f"  ● {data.collecting}", self.part("top--on")))
        room = cells - sum(width(text) for text, _ in (*left, *right)) - 2
        if data.budget and room >= width(data.budget) + 2:
            left.append(("  " + data.budget, self.part("top--budget")))
            room -= width(data.budget) + 2
        if room >= 8 and data.ledger:
            left.append(("  " + fit_left(data.ledger, room), self.part("muted")))
        return [spread(left, right, cells)]

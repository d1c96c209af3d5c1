"""The first line: what this is, which ledger it shows, and whether it moves."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec
from textual.content import Content
from textual.reactive import reactive

from budgauge.monitor.language import tr
from budgauge.monitor.widgets.drawing import Drawing, Piece, spread
from budgauge.text import fit_left, safe, width


class TopViewModel(msgspec.Struct, frozen=True, kw_only=True):
    """What the line says; texts from outside are safe to show."""

    budget: str = ""
    """Whose budget is shown."""
    ledger: str = ""
    collecting: str = ""
    """What collecting has brought in; empty when it is off."""
    changed: str = ""
    """When something last changed, as a time of day."""
    paused: bool = False
    demo: bool = False


def budget_words(budget_of: Literal["", "user", "project"]) -> str:
    """Whose budget is shown, in words; empty where one config was named."""
    if budget_of == "project":
        return tr("project's budget")
    return tr("your budget") if budget_of == "user" else ""


def short_path(path: str, home: str) -> str:
    """A path as people write it: `~` for their home; safe to show."""
    if home and path.startswith(home.rstrip("/") + "/"):
        path = "~" + path[len(home.rstrip("/")) :]
    return safe(path)


class TopLine(Drawing):
    """Name and ledger to the left, what is going on to the right."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"top--{part}" for part in ("name", "budget", "path", "badge", "on", "time")
    }
    DEFAULT_CSS = """
    TopLine {
        height: 1;
        padding: 0 1;
        background: $panel;
        & .top--name { color: $primary; text-style: bold; }
        & .top--budget { color: $foreground; }
        & .top--path { color: $foreground 60%; }
        & .top--badge { color: $background; background: $warning; text-style: bold; }
        & .top--on { color: $success; }
        & .top--time { color: $foreground 60%; }
    }
    """

    view_model: reactive[TopViewModel] = reactive(TopViewModel(), init=False)
    """What the line says."""

    def draw(self, cells: int) -> list[Content]:
        """One line; the path gives way first, then whose budget it is."""
        data = self.view_model
        left: list[Piece] = [("budgauge", self.part("top--name"))]
        for shown, badge in ((data.demo, tr("DEMO")), (data.paused, tr("PAUSED"))):
            if shown:
                left += [(" ", self.part("top--name")), (f" {badge} ", self.part("top--badge"))]
        right: list[Piece] = []
        if data.changed:
            right.append(("  " + tr("updated {time}", time=data.changed), self.part("top--time")))
        if data.collecting:
            right.append((f"  ● {data.collecting}", self.part("top--on")))
        room = cells - sum(width(text) for text, _ in (*left, *right)) - 2
        if data.budget and room >= width(data.budget) + 2:
            left.append(("  " + data.budget, self.part("top--budget")))
            room -= width(data.budget) + 2
        if room >= 8 and data.ledger:
            left.append(("  " + fit_left(data.ledger, room), self.part("top--path")))
        return [spread(left, right, cells)]

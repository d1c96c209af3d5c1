"""Who spent most, in one line."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from textual.content import Content
from textual.reactive import reactive

from budgauge.budget import Severity
from budgauge.monitor.language import tr
from budgauge.monitor.sign import GLYPHS, NO_LIMIT_GLYPH
from budgauge.monitor.widgets.drawing import Drawing
from budgauge.snapshot import Snapshot
from budgauge.text import count, fit, safe, width

_MOST = 12
_NAME_CELLS = 32


class Spender(msgspec.Struct, frozen=True):
    """An agent."""

    name: str
    used: str
    state: Severity
    has_limit: bool


def spenders(snapshot: Snapshot) -> tuple[Spender, ...]:
    """Those who used most, and before them those who are over their limits."""
    rows = sorted((row for row in snapshot.agents if row.used), key=lambda row: row.state != "exceeded")[:_MOST]
    return tuple(
        Spender(safe(row.agent_id, _NAME_CELLS), count(row.used), row.state, row.limit is not None) for row in rows
    )


class Spenders(Drawing):
    """As many as fit, and how many there are more."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "spenders--name",
        "spenders--used",
        "spenders--muted",
        "spenders--ok",
        "spenders--warning",
        "spenders--exceeded",
    }
    DEFAULT_CSS = """
    Spenders {
        height: 1;
        & .spenders--name { color: $foreground 75%; }
        & .spenders--used { color: $foreground; text-style: bold; }
        & .spenders--muted { color: $foreground 60%; }
        & .spenders--ok { color: $success; }
        & .spenders--warning { color: $warning; text-style: bold; }
        & .spenders--exceeded { color: $error; text-style: bold; }
    }
    """

    face: reactive[tuple[Spender, ...]] = reactive[tuple[Spender, ...]]((), init=False)
    """Who is shown, the most important first."""

    def draw(self, cells: int) -> list[Content]:
        """One line."""
        line = Content("")
        for spender in self.face:
            need = width(spender.name) + len(spender.used) + 3
            gap = 2 if line.cell_length else 0
            if line.cell_length + gap + need > cells:
                if line.cell_length:
                    break
                spender = msgspec.structs.replace(
                    spender, name=fit(spender.name, max(1, cells - len(spender.used) - 3))
                )
            sign = GLYPHS[spender.state] if spender.has_limit else NO_LIMIT_GLYPH
            style = self.part(f"spenders--{spender.state}" if spender.has_limit else "spenders--muted")
            line += Content.assemble(
                " " * gap,
                (f"{sign} ", style),
                (f"{spender.name} ", self.part("spenders--name")),
                (spender.used, self.part("spenders--used")),
            )
        return [line if self.face else Content.styled(tr("Nothing was used yet."), self.part("spenders--muted"))]

"""The columns of the table of agents, fitted to a width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from budgauge.monitor.drawing.time_text import ago, span
from budgauge.monitor.language import mark, tr
from budgauge.monitor.order import Order
from budgauge.text import width

ColumnName = Literal[
    "agent", "used", "reserved", "trend", "rate", "gauge", "percent", "of", "gone", "state", "calls", "cost", "last"
]
GAP = 2
"""Cells between two columns."""
SIGN_CELLS = 2
"""The state's glyph in front of the agent's name, and a space."""


class Column(msgspec.Struct, frozen=True):
    """A column with its head and width."""

    name: ColumnName
    head: str
    cells: int
    right: bool = True
    order: Order | None = None
    """The order that a click on the head selects."""


class Extent(msgspec.Struct, frozen=True):
    """The room needed by a table's contents."""

    agent: int
    """Cells of the longest name."""
    used: int
    """Cells of the largest count, in full."""
    reserved: bool = False
    """Is anything reserved?"""
    limits: bool = True
    """Does anything have a limit?"""


_OPTIONAL: tuple[Column, ...] = (
    Column("reserved", mark("reserved"), 8),
    Column("percent", "", 6, order="share"),
    Column("gauge", "", 12, right=False, order="share"),
    Column("rate", mark("/min"), 6, order="rate"),
    Column("cost", mark("cost"), 8, order="cost"),
    Column("gone", mark("gone in"), 7, order="wall"),
    Column("of", "", 8, right=False, order="share"),
    Column("trend", mark("10 min"), 10, right=False, order="rate"),
    Column("last", mark("last"), 4, order="last"),
    Column("calls", mark("calls"), 5),
    Column("state", mark("state"), 8, right=False, order="share"),
)
"""The first ones get room first."""
_WIDEST: dict[ColumnName, Callable[[], str]] = {
    "last": lambda: ago(23 * 3600),
    "gone": lambda: span(24 * 3600 - 60),
}
"""Texts that need more cells in some languages."""

_ORDER: tuple[ColumnName, ...] = (
    *("agent", "used", "reserved", "gauge", "percent", "of", "state"),
    *("trend", "rate", "gone", "calls", "cost", "last"),
)
_NAME_CELLS = 14
"""Cells for the name before other columns get any."""
_GAUGE_CELLS = 56
"""The longest useful bar."""
_ROOMY_CELLS = 62
"""Each cell beyond makes the shortest bar a little longer."""


def fit_columns(cells: int, need: Extent) -> tuple[Column, ...]:
    """Return the columns for a width: agent and used always, the others as room permits."""
    agent = max(width(tr("agent")), need.agent)
    room = cells - SIGN_CELLS - need.used - GAP
    name = min(agent, max(_NAME_CELLS, cells * 2 // 5))
    taken: dict[ColumnName, Column] = {}
    for column in _OPTIONAL:
        if (column.name == "reserved" and not need.reserved) or (column.name in ("gone", "state") and not need.limits):
            continue
        if column.name in _WIDEST:
            column = msgspec.structs.replace(column, cells=max(column.cells, width(_WIDEST[column.name]())))
        if column.name == "gauge":
            column = msgspec.structs.replace(column, cells=max(8, min(12, cells - _ROOMY_CELLS)))
        if name + column.cells + GAP > room:
            break
        taken[column.name] = column
        room -= column.cells + GAP
    if "gauge" in taken:
        name = min(agent, room)
        gauge = taken["gauge"].cells + max(0, room - name)
        taken["gauge"] = msgspec.structs.replace(taken["gauge"], cells=min(gauge, _GAUGE_CELLS))
        room -= min(gauge, _GAUGE_CELLS) - (gauge - max(0, room - name))
    taken["agent"] = Column("agent", mark("agent"), SIGN_CELLS + max(1, room), right=False, order="name")
    taken["used"] = Column("used", mark("used"), need.used, order="used")
    return tuple(taken[key] for key in _ORDER if key in taken)


def column_at(columns: Sequence[Column], x: int) -> Column | None:
    """Return the column at a cell of the table, with the gap after the column."""
    for column in columns:
        if x < column.cells + GAP:
            return column
        x -= column.cells + GAP
    return None

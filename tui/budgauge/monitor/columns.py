"""Which columns the table of agents has at a width, and how wide they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from budgauge.text import count, width

ColumnName = Literal["agent", "used", "held", "gauge", "percent", "of", "state", "cost", "calls", "last"]
GAP = 2
"""Cells between two columns."""
SIGN_CELLS = 2
"""The state's glyph in front of the agent's name, and a space."""


class Column(msgspec.Struct, frozen=True):
    """A column as it is drawn."""

    name: ColumnName
    head: str
    cells: int
    right: bool = True
    """Does it end flush right?"""


class Extent(msgspec.Struct, frozen=True):
    """How much room the contents of a table need."""

    agent: int
    """Cells of the longest name."""
    used: int
    """Cells of the largest count, in full."""
    held: bool = False
    """Is anything reserved?"""


_OPTIONAL: tuple[Column, ...] = (
    Column("held", "held", 6),
    Column("percent", "", 6),
    Column("gauge", "", 12, right=False),
    Column("of", "", 8, right=False),
    Column("cost", "cost", 8),
    Column("state", "state", 8, right=False),
    Column("last", "last", 4),
    Column("calls", "calls", 5),
)
"""In the order in which they are given room."""

_ORDER: tuple[ColumnName, ...] = ("agent", "used", "held", "gauge", "percent", "of", "state", "calls", "cost", "last")
_NAME_CELLS = 14
"""A name gets so many before other columns get any."""
_GAUGE_CELLS = 56
"""Longer bars tell nothing more."""
_ROOMY_CELLS = 62
"""Each cell beyond makes the shortest bar a little longer."""


def extent(names: Iterable[str], largest: int, *, held: bool = False) -> Extent:
    """The room that names and counts need; with `held`, reserved tokens have a column."""
    return Extent(max(map(width, names), default=0), max(4, width(count(largest))), held)


def fit_columns(cells: int, need: Extent) -> tuple[Column, ...]:
    """The columns for a width: agent and used always, the others as there is room for them."""
    agent = max(5, need.agent)
    room = cells - SIGN_CELLS - need.used - GAP
    name = min(agent, max(_NAME_CELLS, cells // 4))
    taken: dict[ColumnName, Column] = {}
    for column in _OPTIONAL:
        if column.name == "held" and not need.held:
            continue
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
    taken["agent"] = Column("agent", "agent", SIGN_CELLS + max(1, room), right=False)
    taken["used"] = Column("used", "used", need.used)
    return tuple(taken[key] for key in _ORDER if key in taken)

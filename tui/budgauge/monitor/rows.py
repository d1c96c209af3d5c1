"""The rows of the table of agents: families, and below each its agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import msgspec

from budgauge.accounting.family import families_of
from budgauge.config.name import same_name
from budgauge.monitor.drawing.sign import GLYPHS, NO_LIMIT_GLYPH
from budgauge.monitor.language import dollars, tr, trn
from budgauge.status.family_sum import FamilySum
from budgauge.status.row import AgentRow, FamilyRow, UsageRow
from budgauge.status.snapshot import Snapshot
from budgauge.text import count, percent, safe, width

RowKey = tuple[str, bool]
"""An agent's id or a family's key, and whether that is a family."""
FOLDED, UNFOLDED = "▸", "▾"


@lru_cache(maxsize=10_000)
def shown_name(name: str) -> str:
    """Return an id, safe to show."""
    return safe(name)


class Row(msgspec.Struct, frozen=True):
    """One line of the table, ready to be laid out."""

    source: UsageRow
    depth: int = 0
    """The number of families around."""
    folded: bool | None = None
    """None where there is nothing to fold."""
    members: int = 0
    """The number of a family's agents."""

    @property
    def key(self) -> str:
        """The agent's id or the family's key, as in the ledger."""
        return self.source.key

    @property
    def is_family(self) -> bool:
        """True for a family."""
        return self.source.is_family

    @property
    def row_key(self) -> RowKey:
        """The key among all rows."""
        return self.key, self.is_family

    @property
    def name(self) -> str:
        """The key, safe to show."""
        return shown_name(self.key)

    @property
    def sign(self) -> str:
        """The state's glyph."""
        return NO_LIMIT_GLYPH if self.source.limit is None else GLYPHS[self.source.state]

    @property
    def name_cells(self) -> int:
        """Cells of the name and of the indent in front."""
        return width(self.name) + 2 * self.depth + 2 * self.is_family


def row_text(row: Row) -> str:
    """Return a row in words and full numbers, to be copied."""
    source = row.source
    limit = tr("no limit")
    if source.limit is not None:
        limit = tr("{percent} of {limit}", percent=percent(source.usage_percentage), limit=count(source.limit))
    if source.limit == 0:
        limit = tr("of {limit}", limit=0)
    calls, cost = trn("{n} call", "{n} calls", source.calls), dollars(source.cost_usd)
    return f"{row.name}: {tr('{n} tokens used', n=count(source.used))}, {limit}, {calls}, {cost}"


class Tree(msgspec.Struct, frozen=True):
    """The tree of families and agents."""

    families: dict[str, FamilyRow]
    """Families with a limit, and top-level ones of several agents."""
    below: dict[str, list[UsageRow]]
    """Family key → its direct children; `""` for those in no family."""
    sums: dict[str, FamilySum]
    """Key → sums of a family without a limit."""


def tree_of(snapshot: Snapshot, minute: int) -> Tree:
    """Return each agent below its nearest family, each family below the nearest around, at a unix minute."""
    families = {row.family: row for row in snapshot.families}
    tops: dict[str, list[AgentRow]] = {}
    for row in snapshot.agents:
        tops.setdefault(top_family(row.agent_id), []).append(row)
    sums = {
        key: FamilySum(members)
        for key, members in tops.items()
        if len(members) > 1 and key not in families and key != "/*"
    }
    families.update((key, one.row(key, None, snapshot.warning_threshold, minute)) for key, one in sums.items())
    below: dict[str, list[UsageRow]] = {"": []}
    for family in families.values():
        around = families_of(family.family.removesuffix("/*"))
        next(around, None)  # the family itself; `/*`, the family of nobody, has no other
        below.setdefault(parent_of(around, families), []).append(family)
    for row in snapshot.agents:
        below.setdefault(parent_of(families_of(same_name(row.agent_id)), families), []).append(row)
    return Tree(families, below, sums)


def top_family(agent_id: str) -> str:
    """Return the key of an agent's top-level family."""
    return same_name(agent_id).partition("/")[0] + "/*"


def parent_of(around: Iterator[str], families: Mapping[str, FamilyRow]) -> str:
    """Return the nearest of the families around with a row; empty where none has one."""
    return next((key for key in around if key in families), "")


def holds_words(agent_id: str, words: tuple[str, ...]) -> bool:
    """Return True if an agent's id holds all words, in any case and any form of accents."""
    form = same_name(agent_id).lower()
    return all(same_name(word) in form for word in words)

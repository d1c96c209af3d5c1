"""The table's rows, kept from one snapshot to the next: only changed rows are made again.

Work on every agent is one call into C (a sort, a chain, a set), never a loop in Python.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from operator import attrgetter

import msgspec

from budgauge.accounting.family import families_of
from budgauge.config.name import same_name
from budgauge.monitor.columns import Extent
from budgauge.monitor.order import MOVING, Key, Order, order_key
from budgauge.monitor.rows import Row, RowKey, Tree, holds_words, parent_of, top_family, tree_of
from budgauge.status.row import AgentRow, UsageRow
from budgauge.status.snapshot import Snapshot
from budgauge.text import count, width

MOVE_SECONDS = 2.0
"""Seconds between two moves of rows sorted by time."""
_ROOT: RowKey = ("", True)
_used_of = attrgetter("source.used")


class Arrangement(msgspec.Struct, frozen=True):
    """The wanted arrangement of rows."""

    order: Order = "used"
    reverse: bool = False
    folded: frozenset[str] = frozenset()
    """Families with hidden members."""
    words: tuple[str, ...] = ()
    """Only agents with all of these in their ids are shown."""


class RowCache:
    """The rows of the latest snapshot, in the latest order."""

    def __init__(self) -> None:
        self.rows: tuple[Row, ...] = ()
        self.families: tuple[str, ...] = ()
        """Keys of all families with a row."""
        self.need = Extent(0, 0)
        """The room needed by the rows."""
        self.rebuilt = 0
        """How often all rows were built again."""
        self._arrangement = Arrangement()
        self._minute = 0
        self.sorted_at = 0.0
        """Unix seconds of the last move of rows sorted by time."""
        self._by_id: dict[int, AgentRow] = {}
        self._agents: dict[str, AgentRow] = {}
        self._keys: dict[RowKey, Key] = {}
        self._blocks: dict[RowKey, tuple[Row, ...]] = {}
        """The rows of an agent, or of a family and everything below."""

    def row_of(self, key: RowKey) -> Row | None:
        """Return the row with this key; None if none can be shown."""
        block = self._blocks.get(key)
        return block[0] if block else None

    def show(self, snapshot: Snapshot, now: float, wanted: Arrangement) -> None:
        """Bring the rows up to a snapshot, a moment in unix seconds, and an arrangement."""
        moves = wanted.order in MOVING and not 0 <= now - self.sorted_at < MOVE_SECONDS
        moves |= not self.rebuilt or self._arrangement.order != wanted.order
        by_id = dict(zip(map(id, snapshot.agents), snapshot.agents, strict=True))
        changed = [by_id[number] for number in by_id.keys() - self._by_id.keys()]
        same = self.rebuilt > 0 and self._arrangement == wanted and int(now // 60) >= self._minute
        if moves:
            self.sorted_at = now
        if not same or not self._update(snapshot, changed, now, moves=moves):
            self._build(snapshot, now, wanted)
        self._by_id = by_id
        used_cells = max(5, width(count(max(map(_used_of, self.rows), default=0))))
        self.need = Extent(self._longest, used_cells, bool(snapshot.reserved), self._has_limits)

    def _build(self, snapshot: Snapshot, now: float, wanted: Arrangement) -> None:
        """Build all rows again."""
        self.rebuilt += 1
        old_keys = self._keys if self._arrangement.order == wanted.order else {}
        self._arrangement, self._minute = wanted, int(now // 60)
        tree = tree_of(snapshot, self._minute)
        self._agents = {row.agent_id: row for row in snapshot.agents}
        self._limited = {row.family: row for row in snapshot.families}
        self._family_rows = dict(tree.families)
        self._tops = Counter(map(top_family, self._agents))
        self._sums = tree.sums
        key_of = order_key(wanted.order, now)
        kept = old_keys if wanted.order in MOVING and self.sorted_at != now else {}
        self._keys = {}
        for source in (*snapshot.agents, *tree.families.values()):
            row_key = _row_key(source)
            self._keys[row_key] = kept.get(row_key) or key_of(source)
        self.families = tuple(tree.families)
        self._place(tree)
        self.rows = tuple(self._below(_ROOT))
        self._longest = max((row.name_cells for row in self.rows), default=0)
        self._has_limits = any(row.source.limit is not None for row in self.rows)
        # Their rows may have changed since: their keys are due at the next move.
        self._touched: set[RowKey] = kept.keys() & self._keys.keys()
        self._moving = {("", False)}

    def _place(self, tree: Tree) -> None:
        """Note each family's children and rows."""
        self._children: dict[RowKey, list[RowKey]] = {
            (family, True): [_row_key(source) for source in below] for family, below in tree.below.items()
        }
        self._above: dict[RowKey, RowKey] = {
            child: family for family, children in self._children.items() for child in children
        }
        self._members: dict[RowKey, int] = {}
        self._blocks = {}
        self._depths: dict[RowKey, int] = {}

        def walk(family: RowKey, depth: int) -> int:
            members = 0
            self._depths[family] = depth
            for child in self._children.get(family, ()):
                if child[1]:
                    members += walk(child, depth + 1)
                else:
                    members += self._put_agent(self._agents[child[0]], depth)
            self._members[family] = members
            if family != _ROOT:
                self._put_family(family)
            return members

        walk(_ROOT, 0)

    def _put_agent(self, row: AgentRow, depth: int) -> bool:
        """Build the row of an agent again; return True if shown."""
        shown = holds_words(row.agent_id, self._arrangement.words)
        self._blocks[row.agent_id, False] = (Row(row, depth),) if shown else ()
        return shown

    def _put_family(self, key: RowKey) -> None:
        """Build a family's rows again, from those of its children."""
        wanted = self._arrangement
        members, folded = self._members[key], key[0] in wanted.folded and not wanted.words
        if not members and wanted.words:
            self._blocks[key] = ()
            return
        row = Row(self._family_rows[key[0]], self._depths[key] - 1, folded if members else None, members)
        self._blocks[key] = (row,) if folded else (row, *self._below(key))

    def _below(self, family: RowKey) -> Iterable[Row]:
        children = self._children.get(family, [])
        children.sort(key=self._keys.__getitem__, reverse=self._arrangement.reverse)
        return chain.from_iterable(map(self._blocks.__getitem__, children))

    def _update(self, snapshot: Snapshot, changed: list[AgentRow], now: float, *, moves: bool) -> bool:
        """Update the changed rows; return False where all must be built again."""
        added = [row for row in changed if row.agent_id not in self._agents]
        # Otherwise an agent or a family has gone.
        if len(self._agents) + len(added) != len(snapshot.agents) or len(snapshot.families) != len(self._limited):
            return False
        if len(changed) > 16 + len(snapshot.agents) // 4 or self._makes_family(added):
            return False
        changes: set[RowKey] = set()
        for family in snapshot.families:
            if family.family not in self._limited:
                return False
            if self._limited[family.family] is not family:
                self._limited[family.family] = self._family_rows[family.family] = family
                changes.add((family.family, True))
        for row in changed:
            changes |= self._take(row)
        for key in [key for key in changes if key[1] and key[0] in self._sums]:
            self._family_rows[key[0]] = self._sums[key[0]].row(key[0], None, snapshot.warning_threshold, int(now // 60))
        self._sort_by(order_key(self._arrangement.order, now), changes, snapshot, moves=moves)
        dirty = {family for key in changes for family in self._around(key)}
        for key in sorted(dirty - {_ROOT}, key=self._depths.__getitem__, reverse=True):
            self._put_family(key)
        if dirty:
            self.rows = tuple(self._below(_ROOT))
        return True

    def _makes_family(self, added: list[AgentRow]) -> bool:
        """Return True if new agents make a family of a name with one agent before, or none."""
        alone = [top for row in added if (top := top_family(row.agent_id)) not in self._family_rows]
        return len(set(alone)) != len(alone) or any(map(self._tops.get, alone))

    def _take(self, row: AgentRow) -> set[RowKey]:
        """Take an agent's new row in; return the keys of all changed rows."""
        old, key, top = self._agents.get(row.agent_id), (row.agent_id, False), top_family(row.agent_id)
        self._agents[row.agent_id] = row
        if old is None:
            self._add(row, key)
        self._put_agent(row, self._depths[self._above[key]])
        changes = {key}
        if (sums := self._sums.get(top)) is not None:
            sums.replace(old, row)
            changes.add((top, True))
        return changes

    def _add(self, row: AgentRow, key: RowKey) -> None:
        """Place a new agent."""
        self._tops[top_family(row.agent_id)] += 1
        family = (parent_of(families_of(same_name(row.agent_id)), self._family_rows), True)
        self._above[key] = family
        self._children.setdefault(family, []).append(key)
        if not holds_words(row.agent_id, self._arrangement.words):
            return
        around = [one for one in self._around(key) if one != key]
        for one in around:
            self._members[one] += 1
        if self._arrangement.words or not any(one[0] in self._arrangement.folded for one in around):
            self._longest = max(self._longest, Row(row, self._depths[family]).name_cells)
            self._has_limits |= row.limit is not None

    def _around(self, key: RowKey) -> Iterable[RowKey]:
        """Yield a family itself, then the families around, the nearest first."""
        if key[1]:
            yield key
        while (above := self._above.get(key)) is not None:
            yield above
            key = above

    def _sort_by(
        self, key_of: Callable[[UsageRow], Key], changes: set[RowKey], snapshot: Snapshot, *, moves: bool
    ) -> None:
        """Update the sort keys; rows moved by time alone are added to the changes."""
        if self._arrangement.order not in MOVING:
            due = changes
        else:
            self._touched |= changes
            due = {key for key in changes if key not in self._keys}
            if moves:
                active = {(row.agent_id, False) for row in snapshot.active} | {(f, True) for f in self._family_rows}
                due |= self._touched | active | (self._moving & self._above.keys())
                self._touched, self._moving = set(), active
                changes |= due
        for key in due:
            self._keys[key] = key_of(self._family_rows[key[0]] if key[1] else self._agents[key[0]])


def _row_key(source: UsageRow) -> RowKey:
    return source.key, source.is_family

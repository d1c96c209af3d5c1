"""The rows of the table of agents, all made at once: what rows kept from before are compared with."""

from __future__ import annotations

from collections.abc import Callable

from budgauge.monitor.order import Key
from budgauge.monitor.rows import Row, Tree, holds_words
from budgauge.status.row import FamilyRow, UsageRow


def table_rows(
    tree: Tree,
    key: Callable[[UsageRow], Key],
    *,
    reverse: bool = False,
    folded: frozenset[str] = frozenset(),
    words: tuple[str, ...] = (),
) -> tuple[Row, ...]:
    """Return the rows in order; with `words`, only agents with all words in their ids, and their families."""
    rows: list[Row] = []

    def walk(family: str, depth: int) -> int:
        """Add everything below a family; return the number of agents."""
        members = 0
        for source in sorted(tree.below.get(family, ()), key=key, reverse=reverse):
            if isinstance(source, FamilyRow):
                is_folded = source.family in folded and not words
                place = len(rows)
                rows.append(Row(source, depth, is_folded))
                number = walk(source.family, depth + 1)
                if is_folded:
                    del rows[place + 1 :]
                if number or not words:
                    rows[place] = Row(source, depth, is_folded if number else None, number)
                else:
                    del rows[place:]
                members += number
            elif holds_words(source.key, words):
                rows.append(Row(source, depth))
                members += 1
        return members

    walk("", 0)
    return tuple(rows)

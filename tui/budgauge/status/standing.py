"""The standing of a budget: the total, or the most used limit."""

from __future__ import annotations

from typing import NamedTuple

from budgauge.accounting.limits import Severity
from budgauge.status.snapshot import Snapshot
from budgauge.text import count, percent_of, safe


class Standing(NamedTuple):
    """A total or a limit, with the used part."""

    percentage: float
    used: int
    limit: int
    state: Severity
    name: str = ""
    """The limit's agent or family; empty for the total."""

    @property
    def words(self) -> str:
        """The figures in any language, safe to show."""
        fraction = f"({count(self.used)} / {count(self.limit)})"
        figures = f"{percent_of(self.percentage, self.limit)} {fraction}".strip()
        return f"{safe(self.name, 40)} {figures}" if self.name else figures


def nearest_end(snapshot: Snapshot) -> Standing | None:
    """Return the most used total or limit, by percentage; None where nothing is limited."""
    found = [
        Standing(row.usage_percentage, row.limited, row.limit, row.state, row.key)
        for row in (*snapshot.limited, *snapshot.families)
        # An unused limit of 0 is always at the end.
        if row.usage_percentage is not None and row.limit is not None and row.used
    ]
    if snapshot.usage_percentage is not None:
        total = snapshot.total_used, snapshot.total_budget, snapshot.state
        found.insert(0, Standing(snapshot.usage_percentage, *total))
    return max(found, key=lambda one: one.percentage, default=None)


def total_words(snapshot: Snapshot) -> str:
    """Return a budget's total in a few words."""
    if snapshot.usage_percentage is None:
        return f"{count(snapshot.total_used)} tokens used, no total budget is set"
    total = snapshot.total_used, snapshot.total_budget, snapshot.state
    return Standing(snapshot.usage_percentage, *total).words


def nearer(other: Snapshot, shown: Snapshot) -> Standing | None:
    """Return another budget's standing if closer to the limit than the shown budget; else None."""
    one, reference = nearest_end(other), nearest_end(shown)
    if one is None or (reference is not None and one.percentage <= reference.percentage):
        return None
    return one

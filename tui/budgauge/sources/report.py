"""Report of a collection: frozen values for screens and for JSON."""

import msgspec


class SourceTotal(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one agent's logs. Lines and calls that are not counted have a count for each reason."""

    name: str
    files: int = 0
    """Logs that there are."""
    bytes: int = 0
    """Read of them."""
    calls: int = 0
    """Calls recorded."""
    duplicates: int = 0
    """Calls known already, and lines that restate one."""
    replayed: int = 0
    """Lines and calls copied from another session's history."""
    set_aside: int = 0
    """Skipped: lines and files that could not be read, and calls that could not be recorded."""
    grown: int = 0
    """Records that add to a call that was recorded before it was complete."""
    lower_bounds: int = 0
    """Calls in the logs just read without a final output count: at least so much was spent."""
    unpriced_models: tuple[str, ...] = ()
    """Models of recorded calls whose price is not known."""

    @property
    def beside(self) -> list[tuple[str, int]]:
        """Counts beside new calls, as (words, number), without the zeros."""
        counts = (
            ("grown since they were recorded", self.grown),
            ("duplicates skipped", self.duplicates),
            ("copied from other sessions", self.replayed),
            ("skipped", self.set_aside),
            ("without a final output count: a lower bound", self.lower_bounds),
        )
        return [(words, number) for words, number in counts if number]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The work of a collector since the beginning. Sums of tokens are not in here, but in the totals."""

    sources: tuple[SourceTotal, ...]
    notes: tuple[str, ...] = ()
    """Troubles in words for a person; may hold paths from outside."""
    trouble: str | None = None
    """Why recording does not work just now, while following."""
    user: "Report | None" = None
    """The same of the user's own ledger, where this is of a project's."""

    @property
    def records(self) -> int:
        """Records written, from all sources."""
        return sum(source.calls + source.grown for source in self.sources)

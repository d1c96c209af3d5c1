"""Tokens by minute: the base of rates and forecasts. Pure; reads no clock."""

from __future__ import annotations

from collections.abc import Iterable

Pairs = tuple[tuple[int, int], ...]
"""(unix minute, tokens), oldest first; minutes without usage are left out."""


class UsageByMinute:
    """(total, cached) tokens of the latest minutes with usage."""

    __slots__ = ("_kept", "_pairs", "_uncached", "spent")

    def __init__(self, kept: int, spent: Iterable[tuple[int, int, int]] = ()) -> None:
        """At least `kept` minutes are kept, and at most twice as many; `spent` comes from `rows`."""
        self.spent = {minute: (total, cached) for minute, total, cached in spent}
        """unix minute → (total, cached), in the order in which the minutes first came."""
        self._kept = kept
        self._pairs: Pairs | None = None
        self._uncached = False

    def add(self, minute: int, total: int, cached: int) -> None:
        """Add tokens to a unix minute."""
        spent = self.spent
        before, before_cached = spent.get(minute, (0, 0))
        spent[minute] = (before + total, before_cached + cached)
        self._pairs = None
        if len(spent) > 2 * self._kept:
            # By age, not by key: one line from the future must not push out the present.
            for old in list(spent)[: self._kept]:
                del spent[old]

    def rows(self) -> list[tuple[int, int, int]]:
        """(unix minute, total, cached), to be kept."""
        return [(minute, *spent) for minute, spent in self.spent.items()]

    def pairs(self, *, uncached: bool) -> Pairs:
        """Return the counted tokens, all or only uncached; the same object if nothing changed."""
        if self._pairs is None or self._uncached != uncached:
            self._uncached = uncached
            self._pairs = tuple(
                sorted(
                    (minute, total - cached if uncached else total) for minute, (total, cached) in self.spent.items()
                )
            )
        return self._pairs

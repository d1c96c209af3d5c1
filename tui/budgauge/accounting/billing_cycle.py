"""When counters start afresh by themselves: the boundaries of daily, weekly and monthly cycles. Pure."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta, timezone, tzinfo

from budgauge.accounting.local_zone import LOCAL, LocalZone
from budgauge.accounting.records import MAX_TIMESTAMP
from budgauge.config import Cycle

Span = tuple[float, float]
"""A cycle's first unix second, and the first after it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Calendar:
    """The cycles of one setting. A boundary is the local midnight at the start of a cycle's first day.

    Where the clock skips that midnight, the boundary is the moment of the change; where it
    comes twice, its first coming. A day of the month that a month does not have is its last.
    """

    def __init__(self, cycle: Cycle) -> None:
        self._cycle = cycle
        self._zone = zone(cycle.timezone)
        self._latest: Span = (0.0, 0.0)

    def span(self, timestamp: float) -> Span:
        """Return the cycle of a moment in unix seconds. All before 1970-01-03 is one, and all after 9998."""
        first, after = self._latest
        if first <= timestamp < after:
            return self._latest
        self._latest = self._find(timestamp)
        return self._latest

    def _find(self, timestamp: float) -> Span:
        if not _EARLIEST <= timestamp < _LATEST:
            return (0, _EARLIEST) if timestamp < _EARLIEST else (_LATEST, MAX_TIMESTAMP + 1)
        first = self._first_day((_EPOCH + timedelta(seconds=timestamp)).astimezone(self._zone).date())
        # Around a change of the clock the date alone may lead to a neighbour.
        while self._begin(first) > timestamp:
            first = self._first_day(first - timedelta(days=1))
        while (after := self._begin(self._next_day(first))) <= timestamp:
            first = self._next_day(first)
        return max(self._begin(first), _EARLIEST), min(after, _LATEST)

    def _first_day(self, day: date) -> date:
        """Return the first day of the cycle around a day."""
        if self._cycle.period == "daily":
            return day
        if self._cycle.period == "weekly":
            return day - timedelta(days=(day.isoweekday() - self._cycle.day) % 7)
        this = self._day_of(day.year, day.month)
        if this <= day:
            return this
        before = day.replace(day=1) - timedelta(days=1)
        return self._day_of(before.year, before.month)

    def _next_day(self, first: date) -> date:
        """Return the first day of the cycle after the one with this `first` day."""
        if self._cycle.period == "daily":
            return first + timedelta(days=1)
        if self._cycle.period == "weekly":
            return first + timedelta(days=7)
        following = first.replace(day=28) + timedelta(days=4)
        return self._day_of(following.year, following.month)

    def _day_of(self, year: int, month: int) -> date:
        after = date(year, month, 28) + timedelta(days=4)
        return date(year, month, min(self._cycle.day, (after - timedelta(days=after.day)).day))

    def _begin(self, day: date) -> int:
        """Unix seconds of a day's local midnight."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        return round((midnight - _EPOCH).total_seconds())


_DAY = 86_400
_EARLIEST = 2 * _DAY
_LATEST = 253_370_764_800
"""The year 9999 begins: its end can have no boundary after it."""


def zone(name: str) -> tzinfo:
    """Return a time zone by IANA name, or this machine's by `local`. Raises the errors of zoneinfo."""
    if name == "UTC":
        return timezone.utc
    if name == LOCAL:
        return LocalZone()
    # Loaded here, because most budgets have no cycle.
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


def midnight(now: float) -> float:
    """Unix seconds at which the day of a moment began, in the local time zone."""
    day = time.localtime(now)
    return time.mktime((*day[:3], 0, 0, 0, *day[6:8], -1))

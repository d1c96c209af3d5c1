"""Moments and spans of time in words, in local time."""

from __future__ import annotations

from datetime import datetime

from budgauge.monitor.language import mark, tr


def clock(moment: float, *, seconds: bool = False) -> str:
    """Return a moment today: 09:04, or 09:04:31."""
    return _local(moment, "%H:%M:%S" if seconds else "%H:%M")


def day(moment: float) -> str:
    """Return a moment on any day: 2026-11-23 09:04."""
    return _local(moment, "%Y-%m-%d %H:%M")


def stamp(moment: float) -> str:
    """Return a moment on any day in full: 2026-11-23 09:04:31 UTC."""
    return _local(moment, "%Y-%m-%d %H:%M:%S %Z")


def _local(moment: float, pattern: str) -> str:
    try:
        return datetime.fromtimestamp(moment).astimezone().strftime(pattern)
    except (OverflowError, OSError, ValueError):
        return tr("unknown")


_SECONDS, _MINUTES, _HOURS, _DAYS = mark("{n}s"), mark("{n}m"), mark("{n}h"), mark("{n}d")
_HOURS_MINUTES, _DAYS_HOURS, _MANY_DAYS = mark("{n}h {m}m"), mark("{n}d {m}h"), mark(">{n}d")


def ago(seconds: float) -> str:
    """Return an age: now, 5m, 3h, 12d. The future is now."""
    if seconds < 60:
        return tr("now")
    for unit, size, limit in ((_MINUTES, 60, 3600), (_HOURS, 3600, 86_400)):
        if seconds < limit:
            return tr(unit, n=int(seconds // size))
    return tr(_DAYS, n=min(999, int(seconds // 86_400)))


def span(seconds: float) -> str:
    """Return a duration: 45s, 12m, 2h 10m, 3d 4h, 41d, >999d."""
    text, n, m = _span(seconds)
    return tr(text, n=n, m=m)


def latin_span(seconds: float) -> str:
    """Return a duration in Latin letters, in any language, for large figures."""
    text, n, m = _span(seconds)
    return text.format(n=n, m=m)


def _span(seconds: float) -> tuple[str, int, int]:
    if seconds < 60:
        return _SECONDS, max(1, int(seconds)), 0
    minutes = seconds / 60
    if minutes < 100:
        return _MINUTES, round(minutes), 0
    hours, minute = divmod(round(min(minutes, 1e7)), 60)
    if hours < 24:
        return _HOURS_MINUTES if minute else _HOURS, hours, minute
    days, hour = divmod(round(minutes / 60) if minutes < 1e7 else 10**6, 24)
    if days < 10:
        return _DAYS_HOURS if hour else _DAYS, days, hour
    return _DAYS if days < 1000 else _MANY_DAYS, min(days, 999), 0


_YEAR_SECONDS = 300 * 86_400


def moment(second: float, reach: float) -> str:
    """Return a moment on an axis of some seconds: 09:04, 11-24 09:04, 11-24 or 2026-11-24."""
    if reach <= 86_400:
        return _local(second, "%H:%M")
    if reach <= 8 * 86_400:
        return _local(second, "%m-%d %H:%M")
    return _local(second, "%m-%d" if reach < _YEAR_SECONDS else "%Y-%m-%d")


def utc_offset(second: float) -> int:
    """Return the seconds of local time ahead of UTC at a moment."""
    try:
        ahead = datetime.fromtimestamp(second).astimezone().utcoffset()
    except (OverflowError, OSError, ValueError):
        ahead = None
    return int(ahead.total_seconds()) if ahead else 0

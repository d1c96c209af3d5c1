"""Tokens a minute: now, and over the last minutes."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def current_rate(minutes: Sequence[tuple[int, int]], now: float) -> int:
    """Tokens in the last 60 seconds, as well as whole minutes tell.

    This minute so far, and of the minute before the part that lies within 60 seconds:
    a sliding window over two counters.
    """
    minute, seconds = divmod(now, 60)
    spent = dict(minutes)
    return round(spent.get(int(minute), 0) + spent.get(int(minute) - 1, 0) * (1 - seconds / 60))


def last_minutes(minutes: Sequence[tuple[int, int]], now: float, number: int) -> tuple[int, ...]:
    """Tokens of each of the last minutes, the present one last."""
    spent = dict(minutes)
    last = int(now // 60)
    return tuple(spent.get(minute, 0) for minute in range(last - number + 1, last + 1))


def columns(values: Sequence[int], lines: int) -> list[str]:
    """A chart of one cell a value, so many lines high, the top line first. The highest value fills it."""
    top = max(values, default=0)
    heights = [0 if not top or not value else max(1, round(value * lines * 8 / top)) for value in values]
    return [
        "".join(_EIGHTHS[max(0, min(8, height - line * 8))] for height in heights) for line in reversed(range(lines))
    ]

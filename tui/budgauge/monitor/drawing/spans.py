"""Which span of time a chart shows, and in which steps. Pure."""

from __future__ import annotations

from budgauge.views.scan import Span

MINUTE, HOUR, DAY = 60, 3600, 86_400
_STEPS = tuple(MINUTE * n for n in (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440))
_AHEAD = 4
"""A reading can go on for a fourth of its span before it must begin afresh."""


ZOOMS = (30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY, 30 * DAY)
"""Seconds that a chart shows at least: it fills its width."""


def chart_span(seconds: int, now: float, cells: int, offset: int) -> Span:
    """Steps that fill a width and show so many seconds or more; the present one and some to come at the end.

    `offset` is what local time is ahead of UTC, in seconds: longer steps begin at local midnight.
    """
    cells = max(1, cells)
    step = next((step for step in _STEPS if seconds // step <= cells), _STEPS[-1])
    least = max(1, seconds // step)
    number = cells // max(1, cells // least)
    present = int((now + offset) // step) * step - offset
    return Span(max(0, present - (number - 1) * step), step, number + max(1, number // _AHEAD))


def counter_span(begin: float, end: float, now: float, cells: int) -> Span:
    """Steps from when the counters began to an end, or some way beyond now where they have none (`end` is now)."""
    until = max(end, now + max(MINUTE, (now - begin) / _AHEAD))
    first = int(begin)
    step = max(1, -(-int(until - first) // max(1, cells)))
    return Span(first, step, max(1, -(-int(until - first) // step)))


def shown_number(span: Span) -> int:
    """How many steps of a chart's span it shows at a time; the others are to come."""
    return max(1, span.number - span.number // (_AHEAD + 1))


def shown_steps(span: Span, now: float) -> slice:
    """The steps of a span that a chart shows, the present one last."""
    number = shown_number(span)
    last = max(0, min(span.number - 1, int((now - span.begin) // span.step)))
    return slice(max(0, last + 1 - number), last + 1)

"""The span of time of a chart, and its steps. Pure."""

from __future__ import annotations

from budgauge.views.scan import Span

MINUTE, HOUR, DAY = 60, 3600, 86_400
_STEPS = tuple(MINUTE * n for n in (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440))
_AHEAD = 4
"""A scan stays useful for a fourth of its span."""


ZOOMS = (30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY, 30 * DAY)
"""Least seconds of a chart."""


def chart_span(seconds: int, now: float, cells: int, offset: int) -> Span:
    """Return steps that fill a width and cover the seconds; at the end, the present step and some to come.

    `offset` is what local time is ahead of UTC, in seconds: longer steps begin at local midnight.
    """
    cells = max(1, cells)
    step = next((step for step in _STEPS if seconds // step <= cells), _STEPS[-1])
    least = max(1, seconds // step)
    number = cells // max(1, cells // least)
    present = int((now + offset) // step) * step - offset
    return Span(max(0, present - (number - 1) * step), step, number + max(1, number // _AHEAD))


def counter_span(begin: float, end: float, now: float, cells: int) -> Span:
    """Return steps from the counters' start to an end, or some way beyond now (where `end` is now)."""
    until = max(end, now + max(MINUTE, (now - begin) / _AHEAD))
    first = int(begin)
    step = max(1, -(-int(until - first) // max(1, cells)))
    return Span(first, step, max(1, -(-int(until - first) // step)))


def shown_number(span: Span) -> int:
    """Return the number of a span's steps shown at a time; the others are to come."""
    return max(1, span.number - span.number // (_AHEAD + 1))


def shown_steps(span: Span, now: float) -> slice:
    """Return the shown steps of a span, the present one last."""
    number = shown_number(span)
    last = max(0, min(span.number - 1, int((now - span.begin) // span.step)))
    return slice(max(0, last + 1 - number), last + 1)

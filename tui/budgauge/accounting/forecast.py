"""Burn rates, the time of exhaustion, and spikes. Pure functions of minutes and a moment.

UsageByMinute are counters, so a span that begins within one takes its part of it: a sliding window
over counters. Rates are counted tokens a minute.
"""

from __future__ import annotations

import math
from statistics import median, variance

import msgspec

from budgauge.accounting.usage_by_minute import Pairs

SPANS = (1, 10, 60)
"""UsageByMinute that rates are told for."""
_BASIS_MINUTES = 10
"""What a forecast is made of: shorter, and every pause between two calls is an end; longer, and it lags."""
_LEAST_MINUTES = 3
"""There is too little to say before so many have passed since the first usage,"""
_LEAST_ACTIVE = 2
"""or where fewer saw usage."""
_SPREAD = 1.28
"""Standard deviations to either side: four of five ends fall between them, if the past is a guide."""
_RECENT_MINUTES = 2
_PAST_MINUTES = 60
_PAST_ACTIVE = 10
"""An agent's own past is known from so many minutes with usage on."""
_RUNAWAY_TIMES = 3.0
_RUNAWAY_DEVIATIONS = 6.0
_RUNAWAY_LEAST = 10_000
"""Tokens a minute beyond the past: less is no harm, whatever it is a multiple of."""
_DEVIATION = 1.4826
"""Median absolute deviations to standard ones, of a normal distribution."""


class Rates(msgspec.Struct, frozen=True):
    """Counted tokens a minute."""

    one: float
    """Over the last minute,"""
    ten: float
    """the last ten, or since the first usage if that is less,"""
    hour: float
    """and the last 60, likewise."""


class Eta(msgspec.Struct, frozen=True):
    """Seconds from now until something is reached, at the rate of the last minutes."""

    expected: float
    earliest: float
    latest: float
    """Four of five fall between these two; infinite where it may never be."""


class Spike(msgspec.Struct, frozen=True):
    """A rate far beyond the agent's own past, both in counted tokens a minute."""

    now: float
    usual: float


def spent_within(minutes: Pairs, now: float, span: float) -> float:
    """Tokens of the last `span` seconds before a moment (unix seconds), as well as minutes tell."""
    begin = now - span
    whole, last = 0.0, now // 60
    for minute, tokens in reversed(minutes):
        if minute > last:
            continue
        end = (minute + 1) * 60
        if end <= begin:
            break
        whole += tokens * min(1.0, (end - begin) / 60)
    return whole


def rates(minutes: Pairs, now: float) -> Rates:
    """Of the last minutes before a moment (unix seconds)."""
    return Rates(*(_rate(minutes, now, span) for span in SPANS))


def rate_now(minutes: Pairs, now: float) -> int:
    """Tokens of the last minute."""
    return round(spent_within(minutes, now, 60))


def _rate(minutes: Pairs, now: float, span: int) -> float:
    """The mean over a span, or since the first usage if shorter, but never over less than a minute."""
    if not minutes:
        return 0.0
    since_first = now / 60 - minutes[0][0]
    return spent_within(minutes, now, span * 60) / max(1.0, min(span, since_first))


def reached(minutes: Pairs, now: float, tokens: int) -> Eta | None:
    """When so many tokens more will be spent; None where there is too little to say.

    That is: where the first usage is less than three minutes ago, where fewer than two of the last
    ten minutes saw usage, or where none is to be spent. The expected time is the tokens at the mean
    rate of the last ten minutes; the range comes from how much those minutes differ.
    """
    if tokens <= 0 or not minutes:
        return None
    span = min(_BASIS_MINUTES, int(now / 60 - minutes[0][0]))
    if span < _LEAST_MINUTES:
        return None
    mean = spent_within(minutes, now, span * 60) / span
    whole = last_minutes(minutes, now - 60, span)
    if not mean or sum(map(bool, (*whole, *last_minutes(minutes, now, 1)))) < _LEAST_ACTIVE:
        return None
    expected = tokens / mean
    # What was seen is uncertain as a mean of so many minutes, what comes as a mean of those until then.
    spread = _SPREAD * math.sqrt(variance(whole) * (1 / span + 1 / max(1.0, expected)))
    latest = tokens / (mean - spread) if mean > spread else math.inf
    return Eta(expected * 60, tokens / (mean + spread) * 60, latest * 60)


def spike(minutes: Pairs, now: float) -> Spike | None:
    """Return the spike of the last two minutes against the hour before; None without one, or after too little use.

    Far behind is three times the median of the minutes that saw usage, and six deviations, and
    10,000 tokens a minute beyond it.
    """
    recent = spent_within(minutes, now, _RECENT_MINUTES * 60) / _RECENT_MINUTES
    if recent < _RUNAWAY_LEAST:
        return None
    last = int(now // 60) - _RECENT_MINUTES
    past = [tokens for minute, tokens in minutes if last - _PAST_MINUTES <= minute < last and tokens]
    if len(past) < _PAST_ACTIVE:
        return None
    usual = median(past)
    deviation = _DEVIATION * median(abs(tokens - usual) for tokens in past)
    bound = max(_RUNAWAY_TIMES * usual, usual + _RUNAWAY_DEVIATIONS * deviation, usual + _RUNAWAY_LEAST)
    return Spike(recent, usual) if recent > bound else None


def last_minutes(minutes: Pairs, now: float, number: int) -> tuple[int, ...]:
    """Tokens of each of the last minutes, the present one last."""
    last = int(now // 60)
    values = [0] * number
    for minute, tokens in reversed(minutes):
        if minute <= last - number:
            break
        if minute <= last:
            values[minute - last - 1] = tokens
    return tuple(values)

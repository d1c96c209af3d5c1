"""Rates, when the end comes, and who has run away: against series whose answers are known."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.forecast import Rates, last_minutes, rate_now, rates, reached, spent_within, spike
from budgauge.accounting.usage_by_minute import Pairs

START = 29_000_000
"""A unix minute."""


def steady(rate: int, number: int, seconds: float = 0) -> tuple[Pairs, float]:
    """So many whole minutes at a rate, and so many seconds of one more; the moment at its end."""
    minutes = [(START + i, rate) for i in range(number)]
    if seconds:
        minutes.append((START + number, round(rate * seconds / 60)))
    return tuple(minutes), (START + number) * 60 + seconds


series = st.lists(st.integers(0, 1_000_000), min_size=1, max_size=80).map(
    lambda values: tuple((START + i, value) for i, value in enumerate(values) if value)
)
busy = st.lists(st.integers(1, 1_000_000), min_size=40, max_size=80).map(
    lambda values: tuple((START + i, value) for i, value in enumerate(values))
)


@pytest.mark.parametrize("number", [61, 200])
@pytest.mark.parametrize("seconds", [0, 15, 30])
def test_a_steady_rate_is_that_rate_over_every_span(number: int, seconds: int) -> None:
    minutes, now = steady(12_000, number, seconds)
    found = rates(minutes, now)
    assert [found.one, found.ten, found.hour] == pytest.approx([12_000] * 3)


def test_a_rate_is_a_mean_since_the_first_usage_where_that_is_less() -> None:
    minutes, now = steady(6000, 4, 30)
    assert rates(minutes, now).ten == pytest.approx(6000)
    assert rates(minutes, now).hour == pytest.approx(6000)
    assert rates(((START, 900),), START * 60 + 10) == Rates(900, 900, 900)


def test_no_usage_is_no_rate() -> None:
    assert rates((), START * 60) == Rates(0, 0, 0)


def test_a_burst_an_hour_ago_is_in_the_hour_alone() -> None:
    minutes = ((START - 55, 60_000),)
    found = rates(minutes, START * 60)
    assert (found.one, found.ten) == (0, 0)
    assert found.hour == pytest.approx(60_000 / 55)


def test_what_lies_in_the_future_is_no_rate() -> None:
    assert rates(((START + 5, 1000),), START * 60) == Rates(0, 0, 0)
    assert reached(((START + 5, 1000), (START + 6, 1000)), START * 60, 10) is None


@given(series, st.integers(0, 59))
def test_longer_spans_hold_no_fewer_tokens(minutes: Pairs, second: int) -> None:
    now = (START + 40) * 60 + second
    spent = [spent_within(minutes, now, span * 60) for span in range(1, 70)]
    assert all(a <= b + 1e-6 for a, b in pairwise(spent))
    assert spent[0] == pytest.approx(rate_now(minutes, now), abs=0.5)
    assert spent_within(minutes, now, 1e9) == sum(tokens for minute, tokens in minutes if minute <= START + 40)


@given(st.integers(1, 1_000_000), st.integers(10, 100), st.sampled_from([0, 15, 30, 45]), st.integers(1, 10**9))
def test_at_a_steady_rate_the_end_is_known_exactly(rate: int, number: int, seconds: int, tokens: int) -> None:
    minutes, now = steady(rate * 4, number, seconds)
    when = reached(minutes, now, tokens)
    assert when is not None
    assert when.expected == pytest.approx(tokens / (rate * 4) * 60)
    assert when.earliest == pytest.approx(when.expected)
    assert when.latest == pytest.approx(when.expected)


@given(busy, st.integers(0, 59), st.integers(1, 10**9))
def test_the_range_holds_what_is_expected(minutes: Pairs, second: int, tokens: int) -> None:
    when = reached(minutes, (START + 20) * 60 + second, tokens)
    assert when is not None
    assert 0 < when.earliest <= when.expected * (1 + 1e-9)
    assert when.expected <= when.latest * (1 + 1e-9)


@given(busy, st.integers(1, 10**8), st.integers(1, 10**8))
def test_more_tokens_last_longer(minutes: Pairs, fewer: int, more: int) -> None:
    now = (START + 15) * 60.0
    first, second = reached(minutes, now, fewer), reached(minutes, now, fewer + more)
    assert first is not None
    assert second is not None
    assert first.expected < second.expected
    assert first.earliest <= second.earliest


@given(series, st.integers(2, 50), st.integers(1, 10**7))
def test_a_scale_changes_nothing(minutes: Pairs, scale: int, tokens: int) -> None:
    now = (START + 30) * 60.0
    one = reached(minutes, now, tokens)
    other = reached(tuple((minute, spent * scale) for minute, spent in minutes), now, tokens * scale)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other.expected == pytest.approx(one.expected)
        assert other.earliest == pytest.approx(one.earliest)


def test_an_uneven_rate_has_a_range_whose_bounds_are_known() -> None:
    # Ten minutes of 0 and 2000 in turn: mean 1000, variance 10 * 1000**2 / 9; 10,000 tokens are ten minutes.
    minutes = tuple((START + i, 2000 * (i % 2)) for i in range(10) if i % 2 or i == 0)
    when = reached(minutes, (START + 10) * 60, 10_000)
    assert when is not None
    spread = 1.28 * math.sqrt(10 * 1000**2 / 9 * (1 / 10 + 1 / 10))
    assert when.expected == pytest.approx(600)
    assert when.earliest == pytest.approx(10_000 / (1000 + spread) * 60)
    assert when.latest == pytest.approx(10_000 / (1000 - spread) * 60)


def test_one_great_call_among_nothing_may_have_been_the_last() -> None:
    minutes = ((START, 1), (START + 5, 90_000))
    when = reached(minutes, (START + 10) * 60, 1_000_000)
    assert when is not None
    assert when.latest == math.inf


@pytest.mark.parametrize(
    ("minutes", "later"),
    [
        ((), 0),
        (((START, 5000), (START + 1, 5000)), 2),  # not yet three minutes
        (((START, 5000),), 5),  # a single minute
        (((START, 5000), (START + 1, 5000), (START + 2, 5000)), 14),  # idle for ten minutes
        (((START - 300, 5000), (START + 9, 5000)), 10),  # one minute of the last ten
    ],
)
def test_it_is_silent_where_there_is_too_little_to_say(minutes: Pairs, later: int) -> None:
    assert reached(minutes, (START + later) * 60, 10_000) is None


def test_it_is_silent_where_nothing_is_left() -> None:
    minutes, now = steady(1000, 30)
    assert reached(minutes, now, 0) is None
    assert reached(minutes, now, -5) is None


def test_a_rate_far_beyond_its_own_past_has_run_away() -> None:
    past = [(START + i, 3000 + 100 * (i % 5)) for i in range(40)]
    minutes = (*past, (START + 40, 60_000), (START + 41, 60_000))
    found = spike(minutes, (START + 42) * 60)
    assert found is not None
    assert (found.now, found.usual) == (60_000, 3200)


@pytest.mark.parametrize(
    ("past", "recent"),
    [
        ([3000] * 40, 8000),  # small, whatever it is a multiple of
        ([30_000] * 40, 80_000),  # not three times
        ([3000] * 5, 90_000),  # no past
        ([1000, 60_000] * 20, 100_000),  # its past was as wild
        ([3000] * 40, 0),
    ],
)
def test_other_rates_have_not(past: list[int], recent: int) -> None:
    minutes = [(START + i, spent) for i, spent in enumerate(past)]
    minutes += [(START + len(past) + i, recent) for i in range(2) if recent]
    assert spike(tuple(minutes), (START + len(past) + 2) * 60) is None


@given(series, st.integers(0, 59))
def test_whoever_goes_on_as_before_has_not_run_away(minutes: Pairs, second: int) -> None:
    rate, now = 50_000, (START + 70) * 60 + second
    even = tuple((START + i, rate) for i in range(70))
    assert spike(even, now) is None
    found = spike(minutes, (START + len(minutes)) * 60)
    assert found is None or (found.now > 3 * found.usual and found.now > found.usual + 10_000)


def test_the_last_minutes_are_those_before_now() -> None:
    assert last_minutes(((5, 1), (7, 2), (9, 9)), 7.5 * 60, 4) == (0, 1, 0, 2)
    assert last_minutes((), 60, 2) == (0, 0)


def spans(*calls: tuple[float, int]) -> Pairs:
    """Tokens at so many minutes after the start."""
    return tuple((START + int(minute), tokens) for minute, tokens in calls)


def test_rates_are_those_of_one_ten_and_sixty_minutes() -> None:
    minutes = spans((0, 6000), (39, 600), (49, 600), (50, 500), (59, 10))
    found = rates(minutes, (START + 60) * 60)
    assert (found.one, found.ten, found.hour) == (10, 51, pytest.approx(7710 / 60))
    later = rates(minutes, (START + 61) * 60)
    assert (later.one, later.hour) == (0, pytest.approx(1710 / 60))


def test_a_forecast_is_made_of_the_last_ten_minutes() -> None:
    minutes = spans((0, 100_000), (10, 500), (19, 500))
    when = reached(minutes, (START + 20) * 60, 1000)
    assert when is not None
    assert when.expected == pytest.approx(600)
    earlier = reached(minutes, (START + 19) * 60 + 30, 1000)
    assert earlier is not None
    assert earlier.expected == pytest.approx(1000 / (500 + 500) * 10 * 60)


@pytest.mark.parametrize(("seconds", "is_known"), [(179, False), (180, True)])
def test_a_forecast_needs_three_minutes_since_the_first_usage(seconds: int, is_known: bool) -> None:
    minutes = spans((0, 500), (1, 500), (2, 500))
    assert (reached(minutes, START * 60 + seconds, 1000) is not None) == is_known


@pytest.mark.parametrize(("active", "is_known"), [((0,), False), ((0, 3), True), ((4,), False), ((3, 4), True)])
def test_a_forecast_needs_two_minutes_that_saw_usage(active: tuple[int, ...], is_known: bool) -> None:
    minutes = spans((-30, 9), *((minute, 500) for minute in active))
    assert (reached(minutes, (START + 4) * 60 + 30, 1000) is not None) == is_known


def test_four_of_five_ends_lie_in_the_range() -> None:
    """1.28 standard deviations of a mean to either side."""
    minutes = tuple((START + i, 900 if i % 2 else 1100) for i in range(10))
    when = reached(minutes, (START + 10) * 60, 4000)
    assert when is not None
    spread = 1.28 * math.sqrt(10 * 100**2 / 9 * (1 / 10 + 1 / 4))
    assert (when.earliest, when.latest) == pytest.approx((4000 / (1000 + spread) * 60, 4000 / (1000 - spread) * 60))


def test_what_comes_within_a_minute_is_as_uncertain_as_a_minute() -> None:
    minutes = tuple((START + i, 900 if i % 2 else 1100) for i in range(10))
    when = reached(minutes, (START + 10) * 60, 500)
    assert when is not None
    spread = 1.28 * math.sqrt(10 * 100**2 / 9 * (1 / 10 + 1))
    assert (when.earliest, when.latest) == pytest.approx((500 / (1000 + spread) * 60, 500 / (1000 - spread) * 60))


def past_and_now(past: list[int], now: int, *, gap: int = 0) -> tuple[Pairs, float]:
    """UsageByMinute of the past, none for so many, then two at a rate; the moment at their end."""
    begin = len(past) + gap
    minutes = [(START + i, tokens) for i, tokens in enumerate(past) if tokens]
    minutes += [(START + begin + i, now) for i in range(2)]
    return tuple(minutes), (START + begin + 2) * 60.0


RUNAWAYS = {
    "three times": ([20_000] * 20, 60_000),
    "ten thousand beyond": ([3000] * 20, 13_000),
    "six deviations": ([7000, 13_000] * 10, 10_000 + 6 * 1.4826 * 3000),
    "six deviations, wide": ([35_000, 65_000] * 10, 50_000 + 6 * 1.4826 * 15_000),
}


@pytest.mark.parametrize(("past", "bound"), RUNAWAYS.values(), ids=list(RUNAWAYS))
def test_a_rate_has_run_away_just_beyond_its_bound(past: list[int], bound: float) -> None:
    assert spike(*past_and_now(past, math.floor(bound))) is None
    assert spike(*past_and_now(past, math.floor(bound) + 1)) is not None


def test_less_than_ten_thousand_tokens_a_minute_is_no_runaway() -> None:
    past = [0, *[1] * 20]
    assert spike(*past_and_now(past, 9999)) is None
    assert spike(*past_and_now(past, 10_002)) is not None


@pytest.mark.parametrize(("active", "is_known"), [(9, False), (10, True)])
def test_a_past_is_known_from_ten_minutes_with_usage_on(active: int, is_known: bool) -> None:
    assert (spike(*past_and_now([1000] * active, 90_000)) is not None) == is_known


@pytest.mark.parametrize(("gap", "is_known"), [(50, True), (51, False)])
def test_a_past_is_of_the_hour_before_the_last_two_minutes(gap: int, is_known: bool) -> None:
    assert (spike(*past_and_now([1000] * 10, 90_000, gap=gap)) is not None) == is_known


def test_a_rate_is_that_of_the_last_two_minutes() -> None:
    minutes, now = past_and_now([1000] * 20, 90_000)
    assert spike(minutes, now + 120) is None
    found = spike(minutes, now + 60)
    assert found is not None
    assert found.now == 45_000

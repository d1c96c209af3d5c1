"""Cycles against the calendar, day by day: every moment in its own cycle, and nothing between two of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.billing_cycle import Calendar
from budgauge.accounting.codec import encode
from budgauge.config import BudgetConfig, Cycle
from budgauge.tracker.tracker import TokenBudgetTracker
from clock import Clock
from faults.folded import assert_as_fresh, fresh_reader
from usage import usage

DAY = 86_400
ZONES = [
    "UTC",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Asia/Beirut",
    "America/Havana",
    "Atlantic/Azores",
    "Pacific/Kiritimati",
    "Antarctica/Troll",
    "Africa/Monrovia",
]
FIRST, LAST = 1970 * 12 + 1, 2045 * 12
"""Months, counted from year 0."""

zones = st.sampled_from(ZONES)
settings_of_cycles = st.one_of(
    st.builds(Cycle, period=st.just("daily"), timezone=zones),
    st.builds(Cycle, period=st.just("weekly"), day=st.integers(1, 7), timezone=zones),
    st.builds(Cycle, period=st.just("monthly"), day=st.integers(1, 31), timezone=zones),
)
moments = st.integers(40 * DAY, 2_300_000_000)


@cache
def local_midnight(zone: str, day: date) -> int:
    """The first second at which the local date is `day` or later: every second's date is asked, by halves.

    Local time goes backwards at times, so the search is for the first in the 36 hours around.
    """
    info = ZoneInfo(zone)
    near = int(datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp())

    def has_come(second: int) -> bool:
        return datetime.fromtimestamp(second, info).date() >= day

    quarter = next(q for q in range(near - 36 * 3600, near + 36 * 3600, 900) if has_come(q))
    return next(second for second in range(quarter - 900, quarter + 1) if has_come(second))


def is_first_day(cycle: Cycle, day: date) -> bool:
    """Does a cycle begin with this day?"""
    if cycle.period == "daily":
        return True
    if cycle.period == "weekly":
        return day.isoweekday() == cycle.day
    is_last = (day + timedelta(days=1)).month != day.month
    return day.day == cycle.day or (is_last and day.day < cycle.day)


def plain_span(cycle: Cycle, moment: float) -> tuple[int, int]:
    """The cycle of a moment, by stepping through the days around it."""
    day = datetime.fromtimestamp(moment, ZoneInfo(cycle.timezone)).date() + timedelta(days=2)
    while not is_first_day(cycle, day) or local_midnight(cycle.timezone, day) > moment:
        day -= timedelta(days=1)
    after = day + timedelta(days=1)
    while not is_first_day(cycle, after) or local_midnight(cycle.timezone, after) <= moment:
        after += timedelta(days=1)
    return local_midnight(cycle.timezone, day), local_midnight(cycle.timezone, after)


@given(settings_of_cycles, moments)
def test_a_moment_is_in_the_cycle_that_the_calendar_says(cycle: Cycle, moment: int) -> None:
    assert Calendar(cycle).span(moment) == plain_span(cycle, moment)


@given(settings_of_cycles, st.lists(moments, min_size=2, max_size=8))
def test_cycles_are_contiguous_and_in_order(cycle: Cycle, several: list[int]) -> None:
    """Whatever was asked before: the cycle after one begins where it ends, and the edges are in the right one."""
    asked = Calendar(cycle)
    spans = [asked.span(moment) for moment in several]
    for moment, (begin, end) in zip(several, spans, strict=True):
        assert begin <= moment < end
        assert asked.span(begin) == asked.span(end - 1) == asked.span(end - 0.5) == (begin, end)
        assert asked.span(end)[0] == end
        assert asked.span(begin - 1)[1] == begin
        assert Calendar(cycle).span(moment) == (begin, end)
    ordered = sorted(zip(several, spans, strict=True))
    assert [begin for _, (begin, _) in ordered] == sorted(begin for begin, _ in spans)


CHANGES = [
    ("Pacific/Apia", date(2011, 12, 30)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/Sao_Paulo", date(2018, 2, 18)),
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/St_Johns", date(2006, 10, 29)),
    ("America/St_Johns", date(2026, 3, 8)),
    ("Asia/Beirut", date(2022, 3, 27)),
    ("America/Havana", date(2024, 11, 3)),
    ("Pacific/Kiritimati", date(1994, 12, 31)),
]


@pytest.mark.parametrize("period", ["daily", "weekly", "monthly"])
@pytest.mark.parametrize(("zone", "day"), CHANGES, ids=[f"{zone}-{day}" for zone, day in CHANGES])
def test_around_a_change_of_the_clock_every_quarter_of_an_hour_is_in_its_cycle(
    zone: str, day: date, period: str
) -> None:
    cycle_day = day.isoweekday() if period == "weekly" else day.day
    cycle = Cycle(period=period, day=cycle_day, timezone=zone)  # type: ignore[arg-type]  # one of the three
    near = int(datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp())
    calendar = Calendar(cycle)
    for moment in range(near - 2 * DAY, near + 2 * DAY, 900):
        assert calendar.span(moment) == plain_span(cycle, moment), datetime.fromtimestamp(moment, ZoneInfo(zone))


@pytest.mark.parametrize("day", [1, 28, 29, 30, 31])
@pytest.mark.parametrize("zone", ZONES)
def test_a_month_of_28_to_31_days_is_one_cycle(zone: str, day: int) -> None:
    """In 2024, a leap year, and 2025: thirteen boundaries a year, each a last or a named day."""
    cycle = Cycle(period="monthly", day=day, timezone=zone)
    calendar = Calendar(cycle)
    moment = datetime(2024, 1, 15, 12, tzinfo=timezone.utc).timestamp()
    for _ in range(26):
        begin, end = calendar.span(moment)
        assert (begin, end) == plain_span(cycle, moment)
        assert 27 * DAY < end - begin < 32 * DAY
        moment = end


def lines_over_years(chance: random.Random, count: int) -> list[tuple[float, int]]:
    """Moments in no order, near boundaries more often than not, with the tokens spent then."""
    lines = []
    for _ in range(count):
        month = chance.randrange(2010 * 12, 2030 * 12)
        moment = datetime(month // 12, month % 12 + 1, 1, tzinfo=timezone.utc).timestamp()
        moment += chance.choice([0, -1, 1, 0.5, *(chance.uniform(-40 * DAY, 40 * DAY) for _ in range(4))])
        lines.append((moment, chance.randrange(1, 1000)))
    return lines


def test_every_record_counts_in_its_own_cycle_and_all_sums_agree(
    ledger: Path, sized: Callable[[int, int], int], figure: Callable[[str], None]
) -> None:
    rounds, count = sized(6, 60), sized(60, 500)
    boundaries = 0
    for number in range(rounds):
        chance = random.Random(number)
        period = ("daily", "weekly", "monthly")[number % 3]
        day = chance.randrange(1, 8) if period == "weekly" else chance.choice([1, 15, 29, 30, 31])
        cycle = Cycle(period=period, day=day, timezone=ZONES[number % len(ZONES)])  # type: ignore[arg-type]  # as above
        lines = lines_over_years(chance, count)
        ledger.write_bytes(b"".join(encode(usage("a", tokens, 0, timestamp=when)) for when, tokens in lines))
        expected: Counter[float] = Counter()
        for when, tokens in lines:
            expected[plain_span(cycle, when)[0]] += tokens
        whole = fresh_reader(ledger, cycle=cycle).totals.whole_cycles()
        sums = {begin: sum(part.total for part in groups.values()) for begin, groups in whole.items()}
        assert sums == dict(expected)
        assert sum(sums.values()) == sum(tokens for _, tokens in lines)
        boundaries += len(sums)
    figure(
        f"cycles: {rounds * count:,} records in {boundaries:,} cycles of {len(ZONES)} time zones, each in its own by "
        "stepping through the calendar; the sums of all cycles = the sum of all lines"
    )


def test_late_and_early_lines_count_in_their_own_cycle(ledger: Path) -> None:
    cycle = Cycle(period="monthly", day=31, timezone="Europe/Berlin")
    boundary = local_midnight("Europe/Berlin", date(2026, 2, 28))
    clock = Clock(boundary - 10)
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=100, cycle=cycle), ledger=ledger, now=clock)
    tracker.report_usage("a", "m", 60, 0)
    tracker.report_usage("a", "m", 100, 0, timestamp=boundary, spent=True)
    assert tracker.get_total_used() == 60, "an early line is not in this cycle"
    clock.now = boundary
    assert tracker.get_total_used() == 100
    assert tracker.check("a", 1) is not None
    tracker.report_usage("a", "m", 1, 0, timestamp=boundary - 1, spent=True)
    assert tracker.get_total_used() == 100, "a late line is not in this cycle"
    clock.now = boundary - 1
    assert tracker.get_total_used() == 61
    assert_as_fresh(tracker, ledger, clock.now)


@given(st.lists(settings_of_cycles | st.none(), min_size=1, max_size=4), st.integers(0, 1000))
def test_a_changed_setting_equals_a_fresh_fold(
    tmp_path_factory: pytest.TempPathFactory, several: list[Cycle | None], seed: int
) -> None:
    ledger = tmp_path_factory.getbasetemp() / "changed-cycles.jsonl"
    chance = random.Random(seed)
    lines = lines_over_years(chance, 10)
    ledger.write_bytes(b"".join(encode(usage("a", tokens, 0, timestamp=when)) for when, tokens in lines))
    clock = Clock(int(lines[0][0]))
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=0), ledger=ledger, now=clock)
    for cycle in several:
        tracker.update_config(BudgetConfig(total_budget=0, cycle=cycle))
        begin, end = plain_span(cycle, clock.now) if cycle else (0, float("inf"))
        when = chance.uniform(begin, min(end, begin + 365 * DAY)) if cycle else clock.now
        tracker.report_usage("b", "m", 7, 0, timestamp=when, spent=True)
        lines.append((when, 7))
        assert tracker.get_total_used() == sum(tokens for when, tokens in lines if begin <= when < end)
        assert_as_fresh(tracker, ledger, clock.now)

"""Tokens by minute, of everyone and of each agent."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting import deduplicator, usage_sums
from budgauge.accounting.accumulator import Extent
from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Reset, Usage
from budgauge.accounting.usage_by_minute import UsageByMinute
from budgauge.accounting.usage_sums import CycleOf, uncut
from budgauge.ledger.ledger import Ledger
from usage import line, usage

calls = st.lists(
    st.builds(
        lambda agent, second, prompt, cached: usage(agent, prompt, 1, timestamp=second, cached_tokens=cached),
        st.sampled_from("abc"),
        st.integers(0, 1200),
        st.integers(0, 50),
        st.integers(0, 50),
    ),
    max_size=40,
)


class Tiered:
    """Prompts of more than 25 tokens, and calls of the second ten minutes, cost more."""

    shape = "tiered"

    def extent(self, prompt_tokens: int, timestamp: float) -> Extent:
        is_long, is_late = prompt_tokens > 25, timestamp >= 600
        prompts = (25, math.inf) if is_long else (-1, 25)
        times = (600, math.inf) if is_late else (0, 600)
        return Extent((int(is_late), int(is_long)), *times, *prompts)


def by_five_minutes(timestamp: float) -> tuple[float, float]:
    begin = timestamp - timestamp % 300
    return begin, begin + 300


@given(calls, st.integers(0, 20), st.booleans(), st.booleans(), st.sampled_from([uncut, by_five_minutes]))
def test_each_agents_minutes_are_those_of_its_calls(
    lines: list[Usage], begin: int, at_once: bool, tiered: bool, cycle_of: CycleOf
) -> None:
    totals = Totals(lambda _model: Tiered() if tiered else None, cycle_of, recent_from=begin * 60)
    for part in [lines] if at_once else [[call] for call in lines]:
        totals.add(part)
    expected: dict[str, dict[int, tuple[int, int]]] = {}
    for call in lines:
        minute = int(call.timestamp) // 60
        if minute >= begin:
            total, cached = usage_sums.counted_parts(call)
            before = expected.setdefault(call.agent_id, {}).get(minute, (0, 0))
            expected[call.agent_id][minute] = (before[0] + total, before[1] + cached)
    assert {agent: minutes.spent for agent, minutes in totals.sums.recent.items()} == expected
    whole: dict[int, int] = {}
    for call in lines:
        whole[int(call.timestamp) // 60] = whole.get(int(call.timestamp) // 60, 0) + call.total_tokens
    assert {minute: total for minute, (total, _) in totals.sums.minutes.spent.items()} == whole
    latest = {agent: max(c.timestamp for c in lines if c.agent_id == agent) for agent in expected}
    sums = [(key[0], one.last_used) for counters in totals.cycles.values() for key, one in counters.groups.items()]
    assert latest == {agent: max(used for name, used in sums if name == agent) for agent in expected}


@pytest.mark.parametrize("times", [[300, 30], [300, 30, 310], [300, 361, 359], [299, 300, 299], [59, 60, 0]])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_call_that_comes_late_is_in_its_own_minute(times: list[int], at_once: bool) -> None:
    """Time goes back where several processes write, or a clock is put right."""
    lines = [usage("a", number + 1, 0, timestamp=second) for number, second in enumerate(times)]
    expected: dict[int, int] = {}
    for call in lines:
        expected[int(call.timestamp) // 60] = expected.get(int(call.timestamp) // 60, 0) + call.prompt_tokens
    totals = Totals(recent_from=0)
    for part in [lines] if at_once else [[call] for call in lines]:
        totals.add(part)
    assert dict(totals.sums.recent["a"].pairs(uncached=False)) == expected
    assert dict(totals.sums.minutes.pairs(uncached=False)) == expected
    [sums] = totals.at(0).groups.values()
    assert sums.last_used == max(times)


def test_added_one_by_one_a_late_call_does_not_make_the_last_one_older() -> None:
    totals = Totals(recent_from=0)
    for place, second in enumerate((300, 30, 310, 309)):
        totals.add_one(usage("a", 1, 0, timestamp=second), place)
    [sums] = totals.at(0).groups.values()
    assert (sums.calls, sums.last_used) == (4, 310)
    assert totals.sums.recent["a"].spent == {5: (3, 0), 0: (1, 0)}


def test_calls_at_two_prices_in_turn_are_counted_once() -> None:
    totals = Totals(lambda _model: Tiered(), recent_from=0)
    totals.add([usage("a", prompt, 0, timestamp=place) for place, prompt in enumerate((10, 40, 10, 40, 10))])
    assert totals.at(0).spent == {"a": (110, 0)}
    assert totals.sums.recent["a"].spent == {0: (110, 0)}


def test_what_is_older_than_the_recent_past_is_in_no_agents_minutes_whatever_comes_between() -> None:
    totals = Totals(recent_from=300)
    totals.add([usage("a", second, 0, timestamp=second) for second in (310, 30, 320, 299, 300)])
    assert totals.sums.recent["a"].spent == {5: (310 + 320 + 300, 0)}


@pytest.mark.parametrize("kept", [1, 3, 64])
def test_at_least_so_many_minutes_are_kept_and_at_most_twice_as_many(kept: int) -> None:
    minutes, sizes = UsageByMinute(kept), []
    for minute in range(10 * kept):
        minutes.add(minute, 1, 0)
        sizes.append(len(minutes.spent))
        assert set(range(max(0, minute + 1 - kept), minute + 1)) <= minutes.spent.keys()
    assert max(sizes) == 2 * kept
    assert min(sizes[2 * kept :]) == kept + 1


def test_a_fold_keeps_so_many_minutes_of_everyone_and_of_each() -> None:
    totals = Totals(recent_from=0)
    most: dict[str, int] = {"all": 0, "a": 0}
    for minute in range(3 * usage_sums.KEPT_MINUTES):
        totals.add([usage("a", 1, 0, timestamp=60 * minute)])
        most["all"] = max(most["all"], len(totals.sums.minutes.spent))
        most["a"] = max(most["a"], len(totals.sums.recent["a"].spent))
    assert most == {"all": 2 * 256, "a": 2 * 64}


@pytest.mark.parametrize("at_once", [True, False])
def test_a_fold_without_a_file_keeps_the_records_of_known_ids_alone(
    monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    monkeypatch.setattr(deduplicator, "KNOWN_IDS", 10)
    totals = Totals()
    lines = [usage("a", 1, 0, id=f"x{number}") for number in range(200)]
    for part in [lines[:100], lines[100:]] if at_once else [[call] for call in lines]:
        totals.add([*[usage("a", 1, 0)] * 50, *part])
        totals.add([usage("a", 1, 0)] * 50)
        assert len(totals.seen._kept) <= 30
    assert all(totals.known(call) for call in lines[-10:])
    assert totals.seen._next_place == 200, "records without an id need no place"


def test_agents_minutes_are_bounded_whatever_their_number() -> None:
    totals = Totals(recent_from=0)
    for number in range(3 * usage_sums.KEPT_AGENTS):
        totals.add([usage(f"a{number}", timestamp=number)])
        assert len(totals.sums.recent) <= 2 * 2000
    assert {f"a{number}" for number in range(4000, 6000)} <= totals.sums.recent.keys()


def test_a_reset_takes_no_minutes_away() -> None:
    totals = Totals(recent_from=0)
    totals.add([usage("a", timestamp=30), Reset(40, "r"), usage("a", timestamp=50)])
    assert totals.sums.recent["a"].spent == {0: (30, 0)}


def test_agents_that_were_not_used_for_long_are_forgotten_first() -> None:
    totals = Totals(recent_from=0)
    number = 2 * usage_sums.KEPT_AGENTS
    totals.add([usage(f"old-{i}", timestamp=i) for i in range(number)])
    totals.add([usage("new", timestamp=number + 1)])
    assert len(totals.sums.recent) == usage_sums.KEPT_AGENTS + 1
    assert {"new", f"old-{number - 1}"} <= totals.sums.recent.keys()
    assert "old-0" not in totals.sums.recent


def test_pairs_are_the_same_object_until_something_is_added() -> None:
    minutes = UsageByMinute(4)
    minutes.add(7, 10, 4)
    minutes.add(3, 5, 0)
    pairs = minutes.pairs(uncached=False)
    assert pairs == ((3, 5), (7, 10))
    assert minutes.pairs(uncached=False) is pairs
    assert minutes.pairs(uncached=True) == ((3, 5), (7, 6))
    minutes.add(7, 1, 1)
    assert minutes.pairs(uncached=False) == ((3, 5), (7, 11))


def test_minutes_come_back_as_they_were_kept() -> None:
    minutes = UsageByMinute(2)
    for minute in (9, 1, 2, 3):
        minutes.add(minute, minute, 0)
    again = UsageByMinute(2, minutes.rows())
    for one in (minutes, again):
        one.add(4, 4, 0)
    assert again.spent == minutes.spent == {2: (2, 0), 3: (3, 0), 4: (4, 0)}


def test_a_checkpoint_keeps_the_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("budgauge.ledger.ledger.DUE_BYTES", 1)
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_bytes(line("a", timestamp=30) + line("old", timestamp=9000) + line("a", timestamp=18_000))

    def read() -> Totals:
        reader = Ledger(ledger, cache=tmp_path / "cache", clock=lambda: 18_030)
        reader.refresh()
        reader.keep()
        return reader.totals

    fresh, kept = read(), read()
    assert fresh.sums.recent["a"].spent == kept.sums.recent["a"].spent == {300: (15, 0)}
    assert fresh.sums.recent.keys() == kept.sums.recent.keys() == {"a"}
    assert fresh.sums.minutes.spent == kept.sums.minutes.spent == {0: (15, 0), 150: (15, 0), 300: (15, 0)}

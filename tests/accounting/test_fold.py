"""The fold: sums by agent, model and bucket, with resets, undos and ids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting import deduplicator, usage_sums
from budgauge.accounting.accumulator import FOREVER, Extent
from budgauge.accounting.counters import Sums
from budgauge.accounting.fold import Totals
from budgauge.accounting.period import since
from budgauge.accounting.records import Record, Release, Reserve, Reset, Settle, UndoReset, Usage
from usage import usage


def folded(*records: Record) -> Totals:
    totals = Totals()
    totals.add(records)
    return totals


class _Tiers:
    """Prompts above 100 tokens cost more."""

    shape = "tiers"

    def extent(self, prompt_tokens: int, timestamp: float) -> Extent:
        above = prompt_tokens > 100
        return Extent((0, int(above)), 0, FOREVER, 100 if above else -1, FOREVER if above else 100)


def test_the_rest_of_a_call_is_no_call_more_and_costs_what_the_whole_prompt_makes_it_cost() -> None:
    totals = Totals(lambda model: _Tiers())
    totals.add([usage("a", 150, 1, id="x"), usage("a", 0, 9, id="x#2"), usage("a", 7, 5, id="x#3", cached_tokens=7)])
    totals.add([usage("a", 60, 1, id="y")])
    totals.add([usage("a", 60, 2, id="y#2"), usage("a", 1, 1)])
    groups = totals.at(0).groups
    assert {key[2]: (sums.calls, sums.prompt, sums.completion, sums.cached) for key, sums in groups.items()} == {
        (0, 1): (1, 150 + 7 + 60, 1 + 9 + 5 + 2, 7),
        (0, 0): (2, 60 + 1, 1 + 1, 0),
    }
    assert used(totals) == {"a": 157 + 15 + 61 + 62 + 2}


@pytest.mark.parametrize(
    "rest",
    [
        usage("a", 0, 9, id="x#3"),
        usage("a", 0, 9, id="x#1"),
        usage("a", 0, 9, id="x#0002x"),
        usage("a", 0, 9, id="x#²"),
        usage("a", 0, 9, id="z#2"),
        usage("b", 0, 9, id="x#2"),
        usage("a", 0, 9, id="x#2", model="other"),
        usage("a", 0, 9, id="x#" + "9" * 400),
    ],
)
def test_an_id_that_only_looks_like_the_rest_of_a_call_is_a_call(rest: Usage) -> None:
    totals = folded(usage("a", 150, 1, id="x"), rest)
    assert sum(sums.calls for sums in totals.at(0).groups.values()) == 2


def used(totals: Totals) -> dict[str, int]:
    return {agent_id: total for agent_id, (total, _) in totals.at(0).spent.items()}


def test_calls_add_up_by_agent_model_and_in_total() -> None:
    totals = folded(usage("a", 10, 5), usage("a", 1, 1, model="m2", timestamp=9e9), usage("b", 100, 0))
    assert used(totals) == {"a": 17, "b": 100}
    assert totals.at(0).spent_by_all == (117, 0)
    assert totals.at(0).groups["a", "gpt-4", (0, 0), ""] == Sums(
        calls=1, prompt=10, completion=5, total=15, last_used=1_767_225_600
    )
    assert totals.at(0).groups["a", "m2", (0, 0), ""].last_used == 9e9


@pytest.mark.parametrize(
    ("claim", "calls"),
    [
        ({"prompt": 0, "completion": 0, "id": "y", "alias": "x="}, 1),
        ({"prompt": 0, "completion": 0, "id": "y", "alias": "w="}, 2),
        ({"prompt": 0, "completion": 0, "id": "x="}, 2),
        ({"prompt": 5, "completion": 1, "id": "x="}, 2),
        ({"prompt": 5, "completion": 1, "id": "y", "alias": "x="}, 2),
    ],
)
def test_a_line_that_only_gives_an_earlier_call_another_name_is_no_call(claim: dict[str, Any], calls: int) -> None:
    totals = Totals()
    totals.add([usage("a", 150, 1, id="x")])
    totals.add([usage("a", **claim)])
    [cycle] = totals.cycles.values()
    assert sum(sums.calls for sums in cycle.groups.values()) == calls


def test_parts_are_summed() -> None:
    parts: dict[str, Any] = {"cached_tokens": 4, "cache_write_tokens": 5, "cache_write_1h_tokens": 2}
    totals = folded(usage(**parts), usage(**parts))
    sums = totals.at(0).groups["a", "gpt-4", (0, 0), ""]
    assert (sums.cached, sums.cache_write, sums.cache_write_1h) == (8, 10, 4)
    assert totals.at(0).spent_by_all == (30, 8)
    assert totals.sums.flagged == {}


@pytest.mark.parametrize(("stated", "counted"), [(20, 20), (3, 15)])
def test_of_total_and_sum_the_larger_counts(stated: int, counted: int) -> None:
    totals = folded(usage(total_tokens=stated))
    assert used(totals) == {"a": counted}
    assert totals.sums.flagged == {"total_mismatch": 1}


@pytest.mark.parametrize(
    ("parts", "counted"),
    [
        ({"cached_tokens": 11}, (10, 0, 0)),
        ({"cached_tokens": 6, "cache_write_tokens": 6}, (6, 4, 0)),
        ({"cache_write_tokens": 4, "cache_write_1h_tokens": 5}, (0, 4, 4)),
        ({"cached_tokens": 8, "cache_write_tokens": 5, "cache_write_1h_tokens": 5}, (8, 2, 2)),
        ({"cached_tokens": 8, "cache_write_tokens": 2, "cache_write_1h_tokens": 3}, (8, 2, 2)),
        ({"cache_write_1h_tokens": 5}, (0, 0, 0)),
        ({"reasoning_tokens": 6}, (0, 0, 0)),
    ],
)
def test_parts_larger_than_the_whole_are_clipped(parts: dict[str, Any], counted: tuple[int, int, int]) -> None:
    totals = folded(usage(**parts))
    sums = totals.at(0).groups["a", "gpt-4", (0, 0), ""]
    assert (sums.cached, sums.cache_write, sums.cache_write_1h) == counted
    assert used(totals) == {"a": 15}
    assert totals.sums.flagged == {"parts_clipped": 1}


def test_an_id_counts_once_whatever_its_timestamp() -> None:
    totals = folded(usage(id="x"), usage(id="x", timestamp=1), usage(id="x", cached_tokens=0))
    assert used(totals) == {"a": 15}
    assert totals.seen.set_aside == {}


@pytest.mark.parametrize(
    "other",
    [
        {"agent_id": "b"},
        {"model": "m"},
        {"prompt": 11},
        {"completion": 6},
        {"total_tokens": 99},
        {"cached_tokens": 1},
        {"cache_write_tokens": 1},
        {"reasoning_tokens": 1},
        {"session": "s"},
        {"project": "p"},
        {"source": "s"},
    ],
)
def test_an_id_with_other_content_is_set_aside(other: dict[str, Any]) -> None:
    totals = folded(usage(id="x"), usage(id="x", **other))
    assert used(totals) == {"a": 15}
    assert totals.seen.set_aside == {"id_conflict": 1}


def test_an_id_outlives_a_reset() -> None:
    totals = folded(usage(id="x"), Reset(2, "r"), usage(id="x"))
    assert used(totals) == {}
    assert totals.known(usage(id="x")) is True
    assert totals.known(usage(id="x", prompt=9)) is False
    assert totals.known(usage(id="y")) is None
    assert totals.known(usage()) is None


def test_an_alias_is_known_like_an_id() -> None:
    totals = Totals()
    totals.add([usage(id="x", alias="resp_1"), usage(id="y")])
    totals.add([usage(id="resp_1"), usage(id="z", alias="y"), usage(id="w", alias="resp_1")])
    assert totals.known(usage(id="resp_1")) is True
    assert totals.known(usage(id="resp_1", prompt=9)) is False
    assert sum(sums.calls for sums in totals.at(0).groups.values()) == 2
    assert not totals.seen.set_aside


def test_only_the_latest_ids_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deduplicator, "KNOWN_IDS", 3)
    totals = folded(*(usage(id=str(i)) for i in range(4)))
    assert [totals.known(usage(id=str(i))) for i in range(4)] == [None, True, True, True]


def test_settling_counts() -> None:
    settle = Settle("a", "m", 3, 4, 7, 1, reserve="h")
    assert used(folded(Reserve(1, "h", "a", 9, 60), settle, Release(1, "h"))) == {"a": 7}


def test_a_reset_starts_everyone_afresh_and_an_undo_brings_it_back() -> None:
    totals = folded(usage("a"), usage("b"), Reset(50, "r"), usage("a", 1, 0))
    assert (used(totals), since(totals, 100), totals.reset_id) == ({"a": 1}, 50, "r")
    totals.add([UndoReset(60, "r")])
    assert (used(totals), since(totals, 100), totals.reset_id) == ({"a": 16, "b": 15}, None, None)
    assert totals.at(0).spent_by_all == (31, 0)


def test_a_reset_of_one_agent_leaves_the_others() -> None:
    totals = folded(usage("a"), usage("a/b"), Reset(50, "r", agent_id="a"))
    assert (used(totals), since(totals, 0), totals.reset_id) == ({"a/b": 15}, None, "r")
    assert totals.at(0).spent_by_all == (15, 0)


def test_only_the_latest_reset_can_be_undone_and_once() -> None:
    totals = folded(usage(), Reset(1, "r1"), usage(prompt=1), Reset(2, "r2"), UndoReset(3, "r1"))
    assert (used(totals), totals.seen.set_aside) == ({}, {"undo_without_reset": 1})
    totals.add([UndoReset(4, "r2"), UndoReset(5, "r2")])
    assert (used(totals), totals.seen.set_aside) == ({"a": 6}, {"undo_without_reset": 2})
    totals.add([UndoReset(6, "r1")])
    assert used(totals) == {"a": 21}


def test_resets_cut_by_file_order_not_by_time() -> None:
    assert used(folded(usage(timestamp=100), Reset(50, "r"), usage("b", timestamp=1))) == {"b": 15}


def test_a_reset_line_that_came_twice_is_one_reset() -> None:
    totals = folded(usage(), Reset(1, "r"), usage(), Reset(1, "r"))
    assert used(totals) == {"a": 15}
    totals.add([UndoReset(2, "r")])
    assert used(totals) == {"a": 30}


def test_minutes_hold_usage_whatever_was_reset() -> None:
    totals = folded(usage(timestamp=59), usage(timestamp=60.5, cached_tokens=2), Reset(61, "r"), usage(timestamp=119))
    assert totals.sums.minutes.spent == {0: (15, 0), 1: (30, 2)}


def test_minutes_are_bounded_and_a_line_from_the_future_pushes_nothing_out() -> None:
    totals = folded(usage(timestamp=9e9), *(usage(timestamp=60 * minute) for minute in range(10_000)))
    assert len(totals.sums.minutes.spent) <= 2 * usage_sums.KEPT_MINUTES
    assert all(minute in totals.sums.minutes.spent for minute in range(10_000 - usage_sums.KEPT_MINUTES, 10_000))


def test_calls_are_told_apart_by_bucket() -> None:
    class Odd:
        shape = "odd"

        def extent(self, prompt: int, timestamp: float) -> Extent:
            late, long = timestamp > 50, prompt > 100
            return Extent(
                (int(late), int(long)),
                begin=50.5 if late else 0,
                end=FOREVER if late else 50.5,
                above=100 if long else -1,
                upto=FOREVER if long else 100,
            )

    totals = Totals(lambda model: None if model == "plain" else Odd())
    totals.add([usage(prompt=p, timestamp=t, model=m) for p in (100, 101) for t in (50, 51) for m in ("plain", "odd")])
    assert {key[1:3]: sums.calls for key, sums in totals.at(0).groups.items()} == {
        ("plain", (0, 0)): 4,
        **{("odd", (period, tier)): 1 for period in (0, 1) for tier in (0, 1)},
    }


class Model:
    """The fold in a few lines: all records are kept, and added up afresh when asked."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int, int]] = []
        self.cuts: list[tuple[str, str | None, list[tuple[str, int, int]]]] = []
        self.ids: dict[str, Usage] = {}

    def add(self, records: Iterable[Record]) -> None:
        for record in records:
            if isinstance(record, Usage):
                if record.id in self.ids:
                    continue
                if record.id is not None:
                    self.ids[record.id] = record
                total = max(record.total_tokens, record.prompt_tokens + record.completion_tokens)
                self.lines.append((record.agent_id, total, min(record.cached_tokens or 0, record.prompt_tokens)))
            elif isinstance(record, Reset) and record.id not in [cut[0] for cut in self.cuts]:
                gone = [entry for entry in self.lines if record.agent_id in (None, entry[0])]
                self.lines = [entry for entry in self.lines if entry not in gone]
                self.cuts.append((record.id, record.agent_id, gone))
            elif isinstance(record, UndoReset) and self.cuts and self.cuts[-1][0] == record.reset:
                self.lines += self.cuts.pop()[2]

    def spent(self) -> dict[str, tuple[int, int]]:
        sums: dict[str, tuple[int, int]] = {}
        for agent_id, total, cached in self.lines:
            before = sums.get(agent_id, (0, 0))
            sums[agent_id] = (before[0] + total, before[1] + cached)
        return sums


few_agents = st.sampled_from(["a", "b", "a/x"])
few_ids = st.sampled_from(["1", "2", "3"])
small = st.integers(0, 50)
records = st.lists(
    st.builds(usage, few_agents, small, small, cached_tokens=st.none() | small, id=st.none() | few_ids)
    | st.builds(usage, few_agents, small, small, total_tokens=small)
    | st.builds(Reset, small, few_ids, st.none() | few_agents)
    | st.builds(UndoReset, small, few_ids),
    max_size=30,
)


@given(records, st.integers(0, 30))
def test_the_fold_agrees_with_a_plain_model(lines: list[Record], cut: int) -> None:
    totals, model = Totals(), Model()
    for part in (lines[:cut], lines[cut:]):
        totals.add(part)
        model.add(part)
        spent = model.spent()
        assert totals.at(0).spent == spent
        assert totals.at(0).spent_by_all == (sum(t for t, _ in spent.values()), sum(c for _, c in spent.values()))
        by_group: dict[str, tuple[int, int]] = {}
        for (agent_id, *_), sums in totals.at(0).groups.items():
            by_group[agent_id] = (sums.total, sums.cached)
        assert by_group == spent
        assert totals.reset_id == (model.cuts[-1][0] if model.cuts else None)


@given(records)
def test_reading_in_pieces_is_reading_at_once(lines: list[Record]) -> None:
    pieces = Totals()
    for record in lines:
        pieces.add([record])
    whole = folded(*lines)
    assert (pieces.at(0).groups, pieces.sums.minutes.spent, pieces.seen.set_aside) == (
        whole.at(0).groups,
        whole.sums.minutes.spent,
        whole.seen.set_aside,
    )


def test_a_reset_is_not_compared_with_all_before_it() -> None:
    compared = 0

    class Id(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    resets = [Reset(0, Id(number), "a" if number % 2 else None) for number in range(500)]
    again = [Reset(0, Id(number)) for number in range(500)]
    assert len(folded(*resets, *again).resets) == 500
    assert compared < 2_000


def test_a_reset_undone_may_come_again() -> None:
    totals = folded(usage(), Reset(0, "r"), UndoReset(0, "r"), Reset(0, "r"))
    assert (totals.reset_id, totals.at(0).spent_by_all) == ("r", (0, 0))


def test_cycles_that_alternate_in_one_batch_are_counted_once() -> None:
    def daily(timestamp: float) -> tuple[float, float]:
        begin = timestamp - timestamp % 100
        return begin, begin + 100

    calls = [usage("a", 10 + number, 0, timestamp=100 + 100 * (number % 2)) for number in range(6)]
    totals = Totals(cycle_of=daily)
    totals.add(calls)
    for moment in (100, 200):
        tokens = sum(call.prompt_tokens for call in calls if call.timestamp == moment)
        assert totals.at(moment).spent == {"a": (tokens, 0)}
        assert totals.at(moment).spent_by_all == (tokens, 0)
        assert totals.at(moment).groups["a", "gpt-4", (0, 0), ""].total == tokens
    pieces = Totals(cycle_of=daily)
    for place, call in enumerate(calls):
        pieces.add_one(call, place)
    assert pieces.state() == totals.state()


@pytest.mark.parametrize("ids", [["x#2", "x"], ["x", "x#3", "x#2"], ["x#3", "x#2", "x"], ["x", "x#2", "x#3"]])
def test_it_makes_no_difference_how_many_records_of_a_call_come_at_once(ids: list[str]) -> None:
    records = [usage(id=id) for id in ids]
    one_by_one = folded()
    for record in records:
        one_by_one.add([record])
    assert folded(*records).state() == one_by_one.state()

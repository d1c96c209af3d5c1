"""Tokens by minute, of everyone and of each agent."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting import fold as totals_module
from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Reset, Usage
from budgauge.accounting.usage_by_minute import Minutes, merged
from budgauge.ledger.reader import LedgerReader
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


@given(calls, st.integers(0, 20), st.booleans())
def test_each_agents_minutes_are_those_of_its_calls(lines: list[Usage], begin: int, at_once: bool) -> None:
    totals = Totals(recent_from=begin * 60)
    for part in [lines] if at_once else [[call] for call in lines]:
        totals.add(part)
    expected: dict[str, dict[int, tuple[int, int]]] = {}
    for call in lines:
        minute = int(call.timestamp) // 60
        if minute >= begin:
            total, cached = totals_module.counted_parts(call)
            before = expected.setdefault(call.agent_id, {}).get(minute, (0, 0))
            expected[call.agent_id][minute] = (before[0] + total, before[1] + cached)
    assert {agent: minutes.spent for agent, minutes in totals.recent.items()} == expected


def test_a_reset_takes_no_minutes_away() -> None:
    totals = Totals(recent_from=0)
    totals.add([usage("a", timestamp=30), Reset(40, "r"), usage("a", timestamp=50)])
    assert totals.recent["a"].spent == {0: (30, 0)}


def test_agents_that_were_not_used_for_long_are_forgotten_first() -> None:
    totals = Totals(recent_from=0)
    number = 2 * totals_module.KEPT_AGENTS
    totals.add([usage(f"old-{i}", timestamp=i) for i in range(number)])
    totals.add([usage("new", timestamp=number + 1)])
    assert len(totals.recent) == totals_module.KEPT_AGENTS + 1
    assert {"new", f"old-{number - 1}"} <= totals.recent.keys()
    assert "old-0" not in totals.recent


def test_pairs_are_the_same_object_until_something_is_added() -> None:
    minutes = Minutes(4)
    minutes.add(7, 10, 4)
    minutes.add(3, 5, 0)
    pairs = minutes.pairs(uncached=False)
    assert pairs == ((3, 5), (7, 10))
    assert minutes.pairs(uncached=False) is pairs
    assert minutes.pairs(uncached=True) == ((3, 5), (7, 6))
    minutes.add(7, 1, 1)
    assert minutes.pairs(uncached=False) == ((3, 5), (7, 11))


def test_minutes_come_back_as_they_were_kept() -> None:
    minutes = Minutes(2)
    for minute in (9, 1, 2, 3):
        minutes.add(minute, minute, 0)
    again = Minutes(2, minutes.rows())
    for one in (minutes, again):
        one.add(4, 4, 0)
    assert again.spent == minutes.spent == {2: (2, 0), 3: (3, 0), 4: (4, 0)}


def test_a_checkpoint_keeps_the_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("budgauge.ledger.reader.DUE_BYTES", 1)
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_bytes(line("a", timestamp=30) + line("old", timestamp=9000) + line("a", timestamp=18_000))

    def read() -> Totals:
        reader = LedgerReader(ledger, checkpoints=tmp_path / "cache", clock=lambda: 18_030)
        reader.refresh()
        reader.keep()
        return reader.totals

    fresh, kept = read(), read()
    assert fresh.recent["a"].spent == kept.recent["a"].spent == {300: (15, 0)}
    assert fresh.recent.keys() == kept.recent.keys() == {"a"}
    assert fresh.minutes.spent == kept.minutes.spent == {0: (15, 0), 150: (15, 0), 300: (15, 0)}


def test_merged_minutes_are_added_up_from_a_minute_on() -> None:
    assert merged([((1, 5), (8, 1)), ((1, 5),), ((8, 2), (9, 3)), ()], 2) == ((8, 3), (9, 3))

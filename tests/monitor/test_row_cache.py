"""Rows of the table that are kept up with each snapshot are those that all agents give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Record, Reserve, Reset
from budgauge.config import BudgetConfig
from budgauge.monitor.feed import ViewTaken
from budgauge.monitor.order import ORDERS, order_key
from budgauge.monitor.row_cache import MOVE_SECONDS, Arrangement, RowCache
from budgauge.monitor.rows import Row, tree_of
from budgauge.pricing.price_book import PriceBook
from budgauge.status.kept_rows import KeptRows
from budgauge.status.snapshot import Snapshot, take_snapshot
from budgauge.views.live import View
from monitor.every_row import table_rows
from monitor.stage import NOW, Stage
from steps import calls
from usage import usage

LIMITS = {"a": 500, "a/b/*": 300, "none/*": 10, "c": 0}
CONFIG = BudgetConfig(total_budget=10**6, per_agent_limits=LIMITS)
PRICES = PriceBook({})

names = st.sampled_from(["a", "a/b", "a/b/c", "a/b/d", "b/x", "b/y", "c", "d", "d/e/f", "none/x", "/odd", "/odd/y"])
small = st.integers(0, 50_000)
records = st.lists(
    st.builds(usage, names, small, small, timestamp=st.integers(0, 900).map(lambda ago: NOW - ago))
    | st.builds(Reset, st.just(NOW), st.sampled_from(["r1", "r2", "r3"]), st.none() | names)
    | st.builds(Reserve, st.just(NOW), st.sampled_from(["h1", "h2"]), names, small, st.just(NOW + 60)),
    max_size=3,
)
arrangements = st.builds(
    Arrangement,
    st.sampled_from(ORDERS),
    st.booleans(),
    st.frozensets(st.sampled_from(["a/*", "a/b/*", "b/*"]), max_size=2),
    st.sampled_from([(), (), ("a",), ("b", "/")]),
)


def all_rows(snapshot: Snapshot, now: float, wanted: Arrangement) -> tuple[Row, ...]:
    tree = tree_of(snapshot, int(now // 60))
    return table_rows(
        tree, order_key(wanted.order, now), reverse=wanted.reverse, folded=wanted.folded, words=wanted.words
    )


FAMILY_THAT_GOES: list[tuple[list[Record], Arrangement | None]] = [
    ([usage("a", 0, 500, timestamp=NOW - 661), usage("a/b", 0, 0, timestamp=NOW)], Arrangement("wall")),
    ([usage("a", 0, 0, timestamp=NOW), Reset(NOW, "r1", None), usage("c", 0, 1, timestamp=NOW)], None),
]
"""All rows are built again by the second step, in which `a` changes and the order must wait."""


@settings(max_examples=150, deadline=None)
@example(FAMILY_THAT_GOES)
@given(st.lists(st.tuples(records, st.none() | arrangements), max_size=12))
def test_they_are_those_that_all_agents_give(steps: Sequence[tuple[list[Record], Arrangement | None]]) -> None:
    totals, kept_rows, kept, wanted, now = Totals(recent_from=0), KeptRows(), RowCache(), Arrangement(), NOW
    for lines, other in steps:
        totals.add(lines)
        wanted = other or wanted
        now += MOVE_SECONDS / 8
        rows = kept_rows.take(totals, CONFIG, PRICES, now)
        snapshot = take_snapshot(totals, CONFIG, PRICES, now=now, rows=rows)
        kept.show(snapshot, now, wanted)
        whole = all_rows(snapshot, now, wanted)
        assert {row.row_key: row for row in kept.rows} == {row.row_key: row for row in whole}
        # Those that move by themselves stand still in between.
        kept.show(snapshot, now + MOVE_SECONDS, wanted)
        assert kept.rows == all_rows(snapshot, now + MOVE_SECONDS, wanted)
        assert kept.need.used >= max((len(f"{row.source.used:,}") for row in kept.rows), default=0)
        assert kept.need.agent == max((row.name_cells for row in kept.rows), default=0)
        now += MOVE_SECONDS


def a_line_among(agents: int, wanted: Arrangement) -> int:
    """Calls that the table takes after one line among so many agents in families; none is made anew for all."""
    totals, kept_rows, kept = Totals(recent_from=0), KeptRows(), RowCache()
    totals.add(
        [usage(f"f{i % 50}/a{i}", 10 + i % 7, 5, timestamp=NOW - i // 50 % 10 * 60 - 900) for i in range(agents)]
    )

    def seen() -> Snapshot:
        return take_snapshot(totals, CONFIG, PRICES, now=NOW, rows=kept_rows.take(totals, CONFIG, PRICES, NOW))

    kept.show(seen(), NOW, wanted)
    totals.add([usage("f1/a1", 10, 5, timestamp=NOW), usage("f1/new", 10, 5, timestamp=NOW)])
    snapshot = seen()
    made = calls(lambda: kept.show(snapshot, NOW + MOVE_SECONDS, wanted))
    assert kept.rebuilt == 1
    assert kept.rows == all_rows(snapshot, NOW + MOVE_SECONDS, wanted)
    return made


def test_a_line_takes_the_same_steps_among_four_times_the_agents() -> None:
    for order in ORDERS:
        assert a_line_among(2000, Arrangement(order)) < 1.1 * a_line_among(500, Arrangement(order)), order


async def shown_among(agents: int, folder: Path) -> int:
    """Calls that the whole screen takes to be brought up to a view in which one line is new."""
    totals, kept_rows = Totals(recent_from=0), KeptRows()
    totals.add(
        [usage(f"f{i % 50}/a{i}", 10 + i % 7, 5, timestamp=NOW - i // 50 % 10 * 60 - 900) for i in range(agents)]
    )

    def seen() -> View:
        rows = kept_rows.take(totals, CONFIG, PRICES, NOW)
        return View(snapshot=take_snapshot(totals, CONFIG, PRICES, now=NOW, rows=rows), config=CONFIG)

    stage = Stage(folder, seen())
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "/ 1,000,000")
        totals.add([usage("f1/a1", 10, 5, timestamp=NOW)])
        newer = ViewTaken(seen())
        return calls(lambda: stage.app.on_view_taken(newer))


async def test_the_screen_takes_the_same_steps_among_eight_times_the_agents(tmp_path: Path) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    few.mkdir()
    many.mkdir()
    assert await shown_among(4000, many) < 1.2 * await shown_among(500, few)

"""The tree of agents: what stands below what, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.family import families_of
from budgauge.monitor.order import ORDERS, Order, order_key
from budgauge.monitor.rows import Row, row_text, tree_of
from monitor.every_row import table_rows
from monitor.stage import NOW, Call, Stage, view

CALLS: tuple[Call, ...] = (
    *(("code", "gpt-4", 500), ("team/a", "gpt-4", 300), ("team/a/x", "gpt-4", 40), ("team/b", "in-house", 200)),
    *(("solo/only", "gpt-4", 50), ("team", "gpt-4", 10)),
)
LIMITS = {"team/a/*": 1000, "idle/*": 7, "code": 600}


def rows(
    calls: Sequence[Call] = CALLS,
    order: Order = "used",
    *,
    limits: dict[str, int] | None = None,
    reverse: bool = False,
    folded: Sequence[str] = (),
    words: tuple[str, ...] = (),
) -> tuple[Row, ...]:
    snapshot = view(calls, limits=LIMITS if limits is None else limits).snapshot
    key = order_key(order, NOW)
    tree = tree_of(snapshot, int(NOW // 60))
    return table_rows(tree, key, reverse=reverse, folded=frozenset(folded), words=words)


def drawn(found: Sequence[Row]) -> list[str]:
    sign = {None: "", True: "+", False: "-"}
    return ["  " * row.depth + sign[row.folded] + row.key for row in found]


def test_agents_stand_below_their_nearest_family() -> None:
    assert drawn(rows()) == [
        "-team/*",
        "  -team/a/*",
        "    team/a",
        "    team/a/x",
        "  team/b",
        "  team",
        "code",
        "solo/only",
        "idle/*",
    ]


def test_a_family_without_a_limit_is_the_sum_of_its_agents() -> None:
    family = rows()[0]
    assert (family.source.used, family.source.limit, family.source.calls, family.members) == (550, None, 4, 4)


def test_a_folded_family_hides_what_is_below_it() -> None:
    found = rows(folded=["team/*"])
    assert drawn(found) == ["+team/*", "code", "solo/only", "idle/*"]
    assert found[0].members == 4
    assert drawn(rows(folded=["team/a/*"]))[:3] == ["-team/*", "  +team/a/*", "  team/b"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("team/b",), ["-team/*", "  team/b"]),
        (("EA".lower(), "x"), ["-team/*", "  -team/a/*", "    team/a/x"]),
        (("o",), ["code", "solo/only"]),
        (("nobody",), []),
    ],
)
def test_a_filter_keeps_agents_and_their_families_folded_or_not(words: tuple[str, ...], expected: list[str]) -> None:
    assert drawn(rows(words=words)) == expected
    assert drawn(rows(words=words, folded=["team/*"])) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("used", "code team/a team/b solo/only team/a/x team"),
        ("share", "code team/a team/b solo/only team/a/x team"),
        ("cost", "code team/a solo/only team/a/x team team/b"),
        ("last", "team solo/only team/b team/a/x team/a code"),
        ("rate", "solo/only team code team/a team/a/x team/b"),
        ("name", "code solo/only team team/a team/a/x team/b"),
        ("wall", "code solo/only team team/a team/a/x team/b"),
    ],
)
def test_orders(order: Order, expected: str) -> None:
    def names(*, reverse: bool) -> list[str]:
        # Without families: every agent beside every other.
        calls = tuple((agent.replace("/", "-"), model, tokens) for agent, model, tokens in CALLS)
        found = rows(calls, order, limits={"code": 600}, reverse=reverse)
        return [row.key.replace("-", "/") for row in found]

    assert names(reverse=False) == expected.split()
    assert names(reverse=True) == expected.split()[::-1]


def test_the_first_to_hit_the_wall_comes_first() -> None:
    steady = tuple(call for _ in range(12) for call in (("slow", "gpt-4", 10), ("fast", "gpt-4", 10)))
    limits = {"slow": 900, "fast": 200, "done": 0, "over": 5}
    found = rows((("over", "gpt-4", 9), *steady, ("free", "gpt-4", 1)), "wall", limits=limits)
    assert [row.key for row in found] == ["over", "fast", "slow", "done", "free"]


ids = st.lists(st.sampled_from(["a", "b", "a/b", "/", "a/*", "*", "", "é"]), min_size=1, max_size=4).map("/".join)
calls = st.lists(st.tuples(ids, st.just("gpt-4"), st.integers(0, 99)), max_size=12)
limits = st.dictionaries(ids | ids.map(lambda id: id + "/*"), st.integers(0, 99), max_size=5)


@given(calls, limits, st.sampled_from(ORDERS), st.booleans())
def test_every_agent_stands_once_below_families_it_is_in(
    calls: list[Call], limits: dict[str, int], order: Order, reverse: bool
) -> None:
    snapshot = view(calls, limits=limits).snapshot
    found = rows(calls, order, limits=limits, reverse=reverse)
    assert sorted(row.key for row in found if not row.is_family) == sorted(row.agent_id for row in snapshot.agents)
    assert {row.family for row in snapshot.families} <= {row.key for row in found if row.is_family}
    above: list[str] = []
    for row in found:
        del above[row.depth :]
        inner = row.key.removesuffix("/*") if row.is_family else row.key
        assert all(family in families_of(inner) for family in above)
        if row.is_family:
            above.append(row.key)
        assert row.source.used >= 0
    assert len({row.row_key for row in found}) == len(found)


def test_the_family_of_nobody_is_a_row_like_others() -> None:
    found = rows((("/", "gpt-4", 5), ("a", "gpt-4", 3)), limits={"/*": 9})
    assert drawn(found) == ["/", "a", "/*"]


def test_a_row_is_copied_in_full_numbers() -> None:
    found = {row.key: row_text(row) for row in rows()}
    assert found["code"] == "code: 500 tokens used, 83.3% of 600, 1 call, $0.0150"
    assert found["team/b"] == "team/b: 200 tokens used, no limit, 1 call, unknown"
    assert found["team/*"] == "team/*: 550 tokens used, no limit, 4 calls, $0.0105"


def test_a_limit_of_0_has_no_percentage() -> None:
    (row,) = rows((("none", "gpt-4", 5),), limits={"none": 0})
    assert row_text(row).startswith("none: 5 tokens used, of 0, ")


async def test_no_screen_shows_a_part_of_a_limit_of_0(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view((("none", "gpt-4", 5),), limits={"none": 0, "unused": 0}, budget=0))
    async with stage.run(120, 40) as pilot:
        await stage.wait(pilot, "exceeded")
        assert "100.0%" not in stage.text
        await pilot.press("enter")
        await stage.wait(pilot, "0 left")
        assert "100.0%" not in stage.text.split("use", 1)[0]

"""In a project the screen says whose budget it shows, and the user's own, if that is closer to its limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from budgauge.monitor.widgets.banner import Item, banner_items
from monitor.stage import Stage, view


@pytest.mark.parametrize(("of", "said"), [("project", "project's budget"), ("user", "your budget"), ("", "")])
@pytest.mark.parametrize(("columns", "lines"), [(60, 15), (120, 30)])
async def test_the_top_line_says_whose_budget_it_is(
    tmp_path: Path, of: str, said: str, columns: int, lines: int
) -> None:
    stage = Stage(tmp_path, view(budget_of=of))
    async with stage.run(columns, lines) as pilot:
        await stage.wait(pilot, "812,000 / ")
        top = next(stage.lines())
        assert said in top
        assert ("budget " in top.replace("budgauge ", "")) == bool(said)


async def test_five_lines_say_that_it_is_a_projects(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(budget=9_000_000, budget_of="project"), in_line=True)
    async with stage.run(120, 5) as pilot:
        await stage.wait(pilot, "project's budget")


@pytest.mark.parametrize(
    ("users", "level"), [(1_000_000, None), (990_000, "warning"), (900_000, "warning"), (812_000, "error"), (0, None)]
)
def test_the_banner_says_how_the_users_own_stands(users: int, level: str | None) -> None:
    shown = view(budget_of="project", user=view(budget=users))
    said = [item for item in banner_items(shown) if item.text.startswith("Your own")]
    assert [item.level for item in said] == ([level] if level else [])


def test_a_budget_that_is_far_from_its_end_is_told_quietly() -> None:
    shown = view(budget=0, budget_of="project", user=view(budget=8_120_000))
    assert Item("info", "Your own budget is closer to its limit: 10.0% (812,000 / 8,120,000)") in banner_items(shown)


def test_trouble_with_the_users_own_is_an_error() -> None:
    shown = view(budget_of="project", user=view(ledger_trouble="cannot be \x1bread", config_trouble="is wrong"))
    said = [item for item in banner_items(shown) if item.level == "error"]
    assert said == [
        Item("error", "Your own budget: cannot be \N{REPLACEMENT CHARACTER}read"),
        Item("error", "Your own budget: is wrong"),
    ]


async def test_it_is_on_the_screen(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(budget_of="project", user=view(budget=900_000)))
    async with stage.run() as pilot:
        await stage.wait(pilot, "Your own budget is closer to its limit: 90.2% (812,000 / 900,000)")

"""What the screen says, at the sizes and in the states that matter.

The texts in `screens/` are renewed by `BUDGAUGE_RENEW=1 pytest tests/monitor`; look at the difference.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from budgauge.accounting.fold import Totals
from budgauge.accounting.records import Usage
from budgauge.config import BudgetConfig, Cycle
from budgauge.pricing.price_book import PriceBook
from budgauge.sources.found import FoundLog
from budgauge.status.snapshot import take_snapshot
from budgauge.views.live import View
from monitor.stage import CALLS, NOW, Stage, golden, view

SIZES = [(60, 15), (80, 24), (140, 45), (200, 60)]
LIMITS = {"coder": 600_000, "team/*": 10_000}
LOGS = (FoundLog("codex", "/home/me/.codex"), FoundLog("claude-code", "/home/me/.claude/projects"))


@pytest.mark.parametrize(("columns", "lines"), SIZES)
async def test_over_the_threshold_at_every_size(tmp_path: Path, columns: int, lines: int) -> None:
    stage = Stage(tmp_path, view(limits=LIMITS))
    async with stage.run(columns, lines) as pilot:
        await stage.wait(pilot, "812,000 / 1,000,000")
        assert "81.2%" in stage.text
        assert "Token budget warning: 81.2% used (812000 / 1000000)" in stage.text
        assert "Limit exceeded: coder" in stage.text
        for agent, used in (("coder", "612,000"), ("reviewer", "150,000"), ("docs", "50,000")):
            assert any(agent in line and used in line for line in stage.lines())
        golden(f"warning-{columns}x{lines}", stage.text)


async def test_quiet(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view((("coder", "gpt-4", 90_000),), is_default=True))
    async with stage.run() as pilot:
        await stage.wait(pilot, "90,000 / 1,000,000")
        assert "default  gate: no budget" in stage.text
        assert "910,000 left" in stage.text
        assert "warns at 80%" in stage.text
        assert "Token budget warning" not in stage.text
        golden("quiet-80x24", stage.text)


@pytest.mark.parametrize(
    ("budget", "limits", "said"), [(0, {}, True), (0, {"coder": 5}, False), (1_000_000, {}, False)]
)
async def test_the_top_line_says_that_the_gate_refuses_nothing(
    tmp_path: Path, budget: int, limits: dict[str, int], said: bool
) -> None:
    stage = Stage(tmp_path, view(budget=budget, limits=limits))
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 / ")
        assert ("gate: no budget" in stage.text) == said


async def test_over_the_budget_says_how_far(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(budget=700_000))
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 / 700,000")
        assert "112,000 over" in stage.text
        assert "116.0%" in stage.text
        assert "■ exceeded" in stage.text
        assert "▒" in stage.text
        golden("exceeded-80x24", stage.text)


async def test_unlimited_has_no_percentage_of_the_total(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(budget=0))
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 / unlimited")
        assert "warns at" not in stage.text
        assert "812,000 over" not in stage.text


@pytest.mark.parametrize(("columns", "lines"), [(40, 10), (60, 15), (80, 24)])
async def test_the_largest_numbers_stay_whole(tmp_path: Path, columns: int, lines: int) -> None:
    most = 2**53 - 1
    stage = Stage(tmp_path, view((("a", "gpt-4", most),), budget=most))
    async with stage.run(columns, lines) as pilot:
        await stage.wait(pilot, "9,007,199,254,740,991")
        assert "100.0%" in stage.text
        assert "9,007,199,254,740,991 /" in stage.text


@pytest.mark.parametrize(("columns", "lines"), [(60, 15), (100, 30)])
async def test_an_empty_ledger_says_what_to_do(tmp_path: Path, columns: int, lines: int) -> None:
    stage = Stage(tmp_path, view(()), logs=LOGS)
    async with stage.run(columns, lines) as pilot:
        await stage.wait(pilot, "codex logs found")
        pasted = stage.text.replace("\\", "").replace("│", "")
        words = " ".join(pasted.split())
        assert "budgauge collect --follow" in words
        assert "budgauge record --agent me --model gpt-4 --prompt 1500 --completion 800" in words
        assert "from budgauge import TokenBudgetTracker" in words
        assert "'me', 'gpt-4', 1500, 800)" in words
        golden(f"empty-{columns}x{lines}", stage.text)


async def test_no_logs_is_said(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(()))
    async with stage.run() as pilot:
        await stage.wait(pilot, "No agents' logs found")


async def test_commands_name_the_ledger_if_they_must(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(()), logs=LOGS, ledger_option="/tmp/my ledger.jsonl")
    async with stage.run(110, 30) as pilot:
        await stage.wait(pilot, "budgauge collect --ledger '/tmp/my ledger.jsonl' --follow")
        await stage.wait(pilot, "budgauge record --ledger '/tmp/my ledger.jsonl' --agent me")


@pytest.mark.parametrize(("columns", "lines"), [(39, 20), (80, 9), (12, 4)])
async def test_too_small_says_so_and_recovers(tmp_path: Path, columns: int, lines: int) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run(columns, lines) as pilot:
        await stage.wait(pilot, "Too small")
        assert "812,000" not in stage.text
        await pilot.resize_terminal(40, 10)
        await stage.wait(pilot, "812,000 / 1,000,000")


async def test_troubles_stand_first(tmp_path: Path) -> None:
    troubled = view(
        config_trouble="config.toml:3: total_budget = 'x'", ledger_trouble="no permission", notices=("hint",)
    )
    stage = Stage(tmp_path, troubled)
    async with stage.run(100, 30) as pilot:
        await stage.wait(pilot, "Ledger: no permission")
        places = [stage.text.index(part) for part in ("Ledger: no", "Config: config.toml:3", "Token budget", "· hint")]
        assert places == sorted(places)


async def test_what_there_is_no_room_for_is_counted(tmp_path: Path) -> None:
    troubled = view(config_trouble="bad", ledger_trouble="worse", notices=("a", "b"))
    stage = Stage(tmp_path, troubled)
    async with stage.run(60, 15) as pilot:
        await stage.wait(pilot, "Ledger: worse")
        assert "+4 more" in stage.text or "+3 more" in stage.text


async def test_cost_by_model_and_what_has_no_price(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run(140, 45) as pilot:
        await stage.wait(pilot, "$22.86")  # 762,000 tokens at $0.03 per 1,000
        assert "$26.29" in stage.text  # and 15 %
        assert "$30.00" in stage.text  # the whole budget
        assert "50,000 tokens unpriced: in-house" in stage.text
        assert "to set prices: budgauge doctor" in stage.text


async def test_ages_and_rate_follow_the_clock(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run(140, 45) as pilot:
        await stage.wait(pilot, "200k / min")
        stage.clock.now = NOW + 600
        await stage.wait(pilot, "0 / min")
        assert any("docs" in line and "10m" in line for line in stage.lines())


STEADY = tuple(("coder", "gpt-4", 6000) for _ in range(20)) + tuple(("docs", "gpt-4", 2000) for _ in range(20))


def at_once(*, budget: int = 400_000, spike: bool = False, **more: Any) -> View:
    """Two agents at a steady rate, a call of each every minute; with `spike`, one of them no longer."""
    calls = [call for pair in zip(STEADY[:20], STEADY[20:], strict=True) for call in pair]
    records = [
        Usage(agent, model, tokens, 0, tokens, NOW - 60 * (19 - place // 2))
        for place, (agent, model, tokens) in enumerate(calls)
    ]
    if spike:
        records += [Usage("coder", "gpt-4", 90_000, 0, 90_000, NOW - 60 * ago) for ago in (0, 1)]
    config = BudgetConfig(total_budget=budget, **more)
    totals = Totals(recent_from=0)
    totals.add(records)
    return View(snapshot=take_snapshot(totals, config, PriceBook({}), now=NOW), config=config)


@pytest.mark.parametrize(("columns", "lines"), SIZES)
async def test_when_the_budget_will_be_gone(tmp_path: Path, columns: int, lines: int) -> None:
    # 160,000 of 400,000 in 20 minutes: 8,000 a minute; 240,000 are left, 160,000 to the warning.
    stage = Stage(tmp_path, at_once(per_agent_limits={"docs": 100_000}))
    stage.clock.now = NOW + 59.5
    async with stage.run(columns, lines) as pilot:
        await stage.wait(pilot, "160,000 / 400,000")
        if lines >= 28:
            assert "until it is gone · about 30m" in stage.text
            assert "a minute · 10 min 8k · 1 h 8k" in stage.text
        elif columns >= 80:
            assert "warns in 20m, gone in 30m (about 30m)" in stage.text
        if columns >= 140:
            docs = next(line for line in stage.lines() if "docs" in line and "100k" in line)
            assert "30m" in docs  # 60,000 are left at 2,000 a minute
        golden(f"steady-{columns}x{lines}", stage.text)


async def test_nothing_is_foretold_where_there_is_too_little_to_say(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run(140, 45) as pilot:
        await stage.wait(pilot, "812,000 / 1,000,000")
        assert "until it is gone" not in stage.text
        assert "gone in 1" not in stage.text


async def test_a_budget_that_outlasts_its_cycle_lasts(tmp_path: Path) -> None:
    stage = Stage(tmp_path, at_once(budget=9_000_000, cycle=Cycle(period="monthly", timezone="UTC")))
    shown = stage.observer.view.snapshot
    later = msgspec.structs.replace(shown, cycle_end=NOW + 3600, minutes=shown.minutes)
    stage.observer.view = msgspec.structs.replace(stage.observer.view, snapshot=later)
    async with stage.run() as pilot:
        await stage.wait(pilot, "lasts until the cycle ends in 60m")


async def test_a_rate_that_left_its_past_behind_is_marked(tmp_path: Path) -> None:
    stage = Stage(tmp_path, at_once(spike=True))
    stage.clock.now = NOW + 59.9
    async with stage.run(140, 45) as pilot:
        await stage.wait(pilot, "↑")
        assert any("coder" in line and "↑" in line for line in stage.lines())
        assert not any("docs" in line and "↑" in line for line in stage.lines())
        await pilot.press("enter")
        await stage.wait(pilot, "spike: 96k a minute, usually 6k")


async def test_after_a_reset_it_says_so_instead_of_the_guide(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(CALLS, reset=True))
    async with stage.run() as pilot:
        await stage.wait(pilot, "Nothing was used since the reset at 00:00")


@pytest.mark.parametrize("columns", range(60, 76))
async def test_the_forecast_keeps_its_distance_and_gives_way_word_by_word(tmp_path: Path, columns: int) -> None:
    stage = Stage(tmp_path, at_once())
    stage.clock.now = NOW + 59.5
    async with stage.run(columns, 24) as pilot:
        await stage.wait(pilot, "160,000 / 400,000")
        (line,) = [line for line in stage.lines() if "160,000 / 400,000" in line]
        assert "gone in" in line
        assert re.search(r"400,000 {2,}(warns|gone)", line)
        assert re.search(r"[m)] {2,}40\.0%|40\.0% {2,}ok", line)

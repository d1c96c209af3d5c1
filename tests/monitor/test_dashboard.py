"""What the screen says, at the sizes and in the states that matter.

The texts in `screens/` are renewed by `BUDGAUGE_RENEW=1 pytest tests/monitor`; look at the difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from budgauge.monitor.port import FoundLog
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
        assert "default" in stage.text
        assert "910,000 left" in stage.text
        assert "warns at 80%" in stage.text
        assert "Token budget warning" not in stage.text
        golden("quiet-80x24", stage.text)


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


async def test_ages_and_rate_follow_the_clock(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run(140, 45) as pilot:
        await stage.wait(pilot, "200k / min")
        stage.clock.now = NOW + 600
        await stage.wait(pilot, "0 / min")
        assert any("docs" in line and "10m" in line for line in stage.lines())


async def test_after_a_reset_it_says_so_instead_of_the_guide(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(CALLS, reset=True))
    async with stage.run() as pilot:
        await stage.wait(pilot, "Nothing was used since the reset at 00:00")

"""The five lines."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from budgauge.cli import monitor
from monitor.stage import Stage, golden, view


@pytest.mark.parametrize("columns", [80, 120])
async def test_five_lines_at_both_widths(tmp_path: Path, columns: int) -> None:
    stage = Stage(tmp_path, view((("coder", "gpt-4", 500_000), ("docs", "gpt-4", 50_000))), in_line=True)
    async with stage.run(columns, 5) as pilot:
        await stage.wait(pilot, "550,000 / 1,000,000")
        assert "docs 50,000" in stage.text
        assert "q Quit" in stage.text
        golden(f"inline-{columns}x5", stage.text)


@pytest.mark.parametrize("columns", [80, 120])
async def test_a_warning_is_there_to_the_letter(tmp_path: Path, columns: int) -> None:
    stage = Stage(tmp_path, view(), in_line=True)
    async with stage.run(columns, 5) as pilot:
        await stage.wait(pilot, "Token budget warning: 81.2% used (812000 / 1000000)")
        assert "812,000 / 1,000,000  ▲ 81.2%" in stage.text
        golden(f"inline-warning-{columns}x5", stage.text)


async def test_an_agent_over_its_limit_comes_first(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(limits={"docs": 40_000}), in_line=True)
    async with stage.run(80, 5) as pilot:
        await stage.wait(pilot, "812,000 / 1,000,000")
        line = next(line for line in stage.lines() if "coder" in line)
        assert line.startswith("■ docs 50,000")


async def test_nothing_hides_the_warning(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(limits={"docs": 40_000}), in_line=True)
    warning = "Token budget warning: 81.2% used (812000 / 1000000)"
    async with stage.run(80, 5) as pilot:
        await stage.wait(pilot, "Limit exceeded: docs")
        assert warning in stage.text
        assert "cost" not in stage.text
        for key, text in (("u", "undone"), ("r", "y yes"), ("o", "without --inline")):
            await pilot.press(key)
            await stage.wait(pilot, text)
            assert warning in stage.text
            assert "+1 more" in stage.text
            await pilot.press("n")


async def test_on_a_narrow_terminal_the_warning_has_two_lines(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(), in_line=True)
    async with stage.run(44, 5) as pilot:
        await stage.wait(pilot, "81.2% used")
        warning = " ".join(" ".join(list(stage.lines())[3:]).replace("▲", "").split())
        assert warning == "Token budget warning: 81.2% used (812000 / 1000000)"


async def test_names_are_there_in_full(tmp_path: Path) -> None:
    name = "claude-code/session-5b0c2ab1-0c1f-44a2-9b0e-7c3b2a4d9e11"
    stage = Stage(tmp_path, view(((name, "gpt-4", 500_000), *((f"a{n}", "gpt-4", 9) for n in range(30)))), in_line=True)
    async with stage.run(80, 5) as pilot:
        await stage.wait(pilot, f"{name} 500,000")
        assert list(stage.lines())[2].rstrip().endswith("+30 more")


@pytest.mark.parametrize(("key", "resets"), [("n", 0), ("escape", 0), ("y", 1)])
async def test_a_question_takes_one_line(tmp_path: Path, key: str, resets: int) -> None:
    stage = Stage(tmp_path, view(), in_line=True)
    async with stage.run(80, 5) as pilot:
        await stage.wait(pilot, "812,000 / 1,000,000")
        await pilot.press("r")
        await stage.wait(pilot, "Reset 812,000 tokens of 3 agents?  y yes, n no")
        await pilot.press(key)
        await stage.wait(pilot, lambda: "y yes" not in stage.text)
        await stage.wait(pilot, lambda: stage.observer.resets == resets)


@pytest.mark.parametrize("in_line", [True, False])
def test_windows_cannot_draw_in_line(monkeypatch: pytest.MonkeyPatch, in_line: bool) -> None:
    monkeypatch.setattr(monitor, "on_terminal", lambda *_: True)
    monkeypatch.setattr(monitor.sys, "platform", "win32")
    if in_line:
        with pytest.raises(click.UsageError, match="--inline does not work on Windows"):
            monitor.need_terminal(in_line=True)
    else:
        monitor.need_terminal(in_line=False)

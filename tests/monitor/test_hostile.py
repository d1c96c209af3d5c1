"""Text from outside reaches the terminal as text, wherever it is shown."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import msgspec
import pytest
from rich.cells import cell_len

from budgauge.config.name import hidden
from budgauge.monitor.feed import FeedFailed
from budgauge.monitor.screens.details import Details
from budgauge.monitor.screens.reset_question import ResetQuestion
from budgauge.monitor.widgets.agent_details import AgentDetails
from budgauge.monitor.widgets.agent_table import AgentTable
from budgauge.sources.found import FoundLog
from budgauge.status.problems import Problem
from budgauge.views.live import View
from monitor.stage import NOW, Stage, view
from usage import usage

HOSTILE = {
    "title": "\x1b]0;pwned\x1b\\",
    "colour": "\x1b[31mred",
    "c1": "\x9b31mred",
    "bell": "a\x07b\x00c\x7fd",
    "lines": "one\ntwo\rthree\u2028four",
    "closing": "[/nope]",
    "action": "[@click=app.quit]x[/]",
    "bold": "[bold red]x[/bold red]",
    "nested": "[[b]x[/b]]\\[",
    "rtl": "abc\u202edcba\u2066",
    "marks": "Z" + "\u0301" * 60,
    "only-marks": "\u0301" * 30,
    "wide": "漢字" * 12,
    "zwj": "👩\u200d👩\u200d👧\u200d👦 family",
    "flag": "☀\ufe0f\U0001f1e9\U0001f1ea",
    "tag": "\U000e0041\ufeff\u00ad",
    "private": "\ue000\U0010ffff",
    "surrogate": "\ud800",
}
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def check(stage: Stage) -> None:
    """Nothing on the screen can steer a terminal, and every line is as wide as the screen."""
    for line in stage.lines():
        unsafe = [char for char in line if unicodedata.category(char) in _UNSAFE]
        assert not unsafe, (unsafe, line)
        assert cell_len(line) == stage.app.size.width, line


def hostile_view(text: str, **more: str) -> View:
    """A view with a text wherever text from outside may stand."""
    calls = ((text, text, 600_000), (f"{text}/below", "gpt-4", 100_000))
    # No config may hold a name in which something cannot be seen.
    limits = {} if hidden(text) else {text: 500, f"{text}/*": 600}
    shown = view(calls, limits=limits, ledger=f"/tmp/{text}/ledger.jsonl", notices=(text,), **more)
    problems = (Problem(kind=text, count=1, message=text),)
    return msgspec.structs.replace(shown, snapshot=msgspec.structs.replace(shown.snapshot, problems=problems))


@pytest.mark.parametrize(("columns", "lines"), [(60, 15), (140, 45)])
async def test_in_every_widget(tmp_path: Path, columns: int, lines: int) -> None:
    stage = Stage(tmp_path, view())
    stage.collector.running = True
    async with stage.run(columns, lines) as pilot:
        await stage.wait(pilot, "812,000 /")
        for text in HOSTILE.values():
            stage.collector.summary = stage.collector.trouble = text
            stage.take(hostile_view(text))
            await stage.wait(pilot, "700,000 / 1,000,000")
            check(stage)
            stage.take(hostile_view(text, config_trouble=text, ledger_trouble=text))
            await stage.wait(pilot, "Ledger:")
            check(stage)
            stage.take(view())
            await stage.wait(pilot, "812,000 /")
        assert not stage.app._exit


async def test_in_answers_to_keys(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run(100, 60) as pilot:
        await stage.wait(pilot, "812,000 /")
        for text in HOSTILE.values():
            stage.app.say(text)
            await pilot.pause()
            assert "›" in stage.text
            check(stage)
        assert not stage.app._exit


async def test_in_the_onboarding(tmp_path: Path) -> None:
    logs = [FoundLog("codex", "/tmp")]
    stage = Stage(tmp_path, view(()), logs=logs)
    async with stage.run(100, 30) as pilot:
        await stage.wait(pilot, "logs found")
        for text in HOSTILE.values():
            logs[:] = [FoundLog(text, f"/tmp/{text}")]
            stage.app._ledger_option = text
            stage.app._update(only_time=True)
            await pilot.pause()
            check(stage)


async def test_in_failures_of_the_feed(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run(100, 30) as pilot:
        await stage.wait(pilot, "812,000 /")
        for text in HOSTILE.values():
            stage.app.post_message(FeedFailed(text))
            await pilot.pause()
            assert "Reading failed; retrying" in stage.text
            check(stage)


async def test_a_click_on_a_name_runs_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view((("[@click=app.quit]click me[/]", "gpt-4", 5),)))
    async with stage.run(100, 30) as pilot:
        await stage.wait(pilot, "click me")
        for y, line in enumerate(stage.lines()):
            if "click me" in line:
                await pilot.click(offset=(line.index("click me"), y))
        await pilot.pause()
        assert not stage.app._exit


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "lines"), [(60, 15), (140, 60)])
async def test_in_an_agents_details_its_reset_and_its_copy(tmp_path: Path, columns: int, lines: int) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run(columns, lines) as pilot:
        await stage.wait(pilot, "812,000 /")
        for text in HOSTILE.values():
            call = usage(text, 5, 5, model=text, source=text, session=text, timestamp=NOW)
            written = msgspec.json.encode(call) if text != HOSTILE["surrogate"] else b""
            stage.observer.ledger.write_bytes(b"\n" + written + b"\n{" + text.encode("utf-8", "replace") + b"\n")
            stage.take(hostile_view(text))
            await stage.wait(pilot, "700,000 / 1,000,000")
            table = stage.app.screen.query_one(AgentTable)
            stage.app.action_copy()
            await stage.wait(pilot, "› Copied")
            check(stage)
            for place in range(3):
                table.move_to(place)
                stage.app.action_details()
                await stage.wait(pilot, lambda: isinstance(stage.app.screen, Details) and "the last" in pages(stage))
                check(stage)
                stage.app.screen.query_one("#details").scroll_end(animate=False)
                await pilot.pause()
                check(stage)
                stage.app.pop_screen()
            table.move_to(2)
            stage.app.action_reset_agent()
            await stage.wait(pilot, lambda: isinstance(stage.app.screen, ResetQuestion))
            check(stage)
            stage.app.screen.dismiss(False)
            stage.take(view())
            await stage.wait(pilot, "812,000 /")
        assert not stage.app._exit


def pages(stage: Stage) -> str:
    """Everything that an agent's details say, also what must be scrolled to."""
    # A screen that was just opened has nothing in it yet.
    return "\n".join(line.plain for dossier in stage.app.screen.query(AgentDetails) for line in dossier.draw(200))

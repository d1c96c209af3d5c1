"""The thread that looks: at once, one view a batch, and it survives its own failure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from textual.message import Message

from budgauge.monitor.feed import FeedFailed, ViewTaken, run_feed
from budgauge.views.live import View
from monitor.stage import FakeObserver, Stage, view


class Once:
    """Stops the feed after some messages."""

    def __init__(self, most: int) -> None:
        self.seen: list[Message] = []
        self.most = most

    def is_set(self) -> bool:
        return len(self.seen) >= self.most

    def wait(self, _seconds: float) -> bool:
        return True


def test_a_newer_view_replaces_an_older() -> None:
    assert ViewTaken(view()).can_replace(ViewTaken(view()))
    assert not ViewTaken(view()).can_replace(FeedFailed("x"))


def test_a_failure_is_told_and_tried_again(tmp_path: Path) -> None:
    class Failing(FakeObserver):
        def look(self) -> View:
            raise ValueError("no")

    stop = Once(3)
    run_feed(Failing(tmp_path, view()), stop, stop.seen.append)  # type: ignore[arg-type]
    assert [message.reason for message in stop.seen if isinstance(message, FeedFailed)] == ["ValueError: no"] * 3


async def test_what_changes_is_shown(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        stage.observer.view = view((("coder", "gpt-4", 77),))
        stage.touch()
        await stage.wait(pilot, "77 / 1,000,000")


async def test_it_recovers(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        stage.observer.breaks = ValueError("gone")
        stage.touch()
        await stage.wait(pilot, "ValueError: gone")
        assert "812,000 /" in stage.text
        stage.observer.breaks = None
        await stage.wait(pilot, lambda: "ValueError" not in stage.text)


async def test_nothing_is_drawn_for_the_same_view(tmp_path: Path) -> None:
    from budgauge.monitor.widgets.agent_table import AgentTable
    from budgauge.monitor.widgets.gauge import Gauge

    stage = Stage(tmp_path, view())
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.pause()
        drawn: list[str] = []
        for kind in (Gauge, AgentTable):
            widget = stage.app.screen.query_one(kind)
            widget.refresh = lambda *_, **__: drawn.append("drawn")  # type: ignore[method-assign,assignment]
        stage.take(view())
        await pilot.pause()
        assert drawn == []


async def test_it_leaves_with_an_exit_code_when_it_is_asked(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        stage.app.leave(143)
        await stage.wait(pilot, lambda: stage.app._exit)
    assert stage.app.return_code == 143
    stage.app.leave(143)


async def test_it_leaves_when_it_was_asked_before_it_ran(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    stage.app.leave(129)
    await stage.app.run_async(headless=True)
    assert stage.app.return_code == 129


def test_it_loads_little() -> None:
    heavy = (
        "['watchfiles', 'genai_prices', 'textual.widgets._data_table', 'textual.widgets._markdown', 'httpx', 'click']"
    )
    code = f"import sys, budgauge.monitor.app; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


async def test_no_color_shows_no_colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stage = Stage(tmp_path, view())
    async with stage.run() as pilot:
        await stage.wait(pilot, "▲ warning")
        for strip in stage.app.screen._compositor.render_strips(stage.app.size):
            for segment in strip.apply_filter(stage.app._filters[-1], stage.app.background_colors[0]):
                style = segment.style
                for colour in (style.color, style.bgcolor) if style else ():
                    if colour and colour.triplet:
                        assert len(set(colour.triplet)) == 1

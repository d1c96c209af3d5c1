"""Warnings that reach a person who does not look: bell, title, desktop, and toasts for what no banner shows."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from budgauge.config import BudgetConfig
from budgauge.config.model import Notify
from budgauge.monitor.notify.alarm import Alarm, title_of
from budgauge.views.live import View
from monitor.fake_desktop import FakeDesktop
from monitor.stage import Stage, view
from monitor.test_hostile import HOSTILE, check

LIMITS = {"a": 1000, "t/*": 1000}


def shown(used: int, *, notify: Notify = Notify(), other: int = 0) -> View:
    seen = view((("a", "gpt-4", used), ("t/x", "gpt-4", other)), limits=LIMITS, budget=10_000)
    return msgspec.structs.replace(seen, config=BudgetConfig(notify=notify))


class Bells:
    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rung = 0
        monkeypatch.setattr(stage.app, "bell", self._ring)

    def _ring(self) -> None:
        self.rung += 1


async def test_the_bell_rings_once_for_each_crossing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Notify(bell=True)
    stage = Stage(tmp_path, shown(900, notify=bell))
    bells = Bells(stage, monkeypatch)
    async with stage.run() as pilot:
        await stage.wait(pilot, "900 / 10,000")
        assert bells.rung == 0  # it stood there before anybody looked
        for used, rung in ((950, 0), (1000, 1), (1100, 1), (10, 1), (900, 2), (1001, 3)):
            stage.take(shown(used, notify=bell))
            await stage.wait(pilot, f"{used:,} / 10,000")
            assert bells.rung == rung
        stage.take(shown(8000, notify=bell, other=1000))
        await stage.wait(pilot, "9,000 / 10,000")
        assert bells.rung == 4  # several at once are one ring


async def test_without_a_wish_nothing_rings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(tmp_path, shown(1))
    bells = Bells(stage, monkeypatch)
    async with stage.run() as pilot:
        await stage.wait(pilot, "1 / 10,000")
        stage.take(shown(20_000))
        await stage.wait(pilot, "20,000 / 10,000")
        assert bells.rung == 0


async def test_a_toast_tells_what_no_banner_shows(tmp_path: Path) -> None:
    stage = Stage(tmp_path, shown(1))
    async with stage.run(120, 40) as pilot:
        await stage.wait(pilot, "1 / 10,000")
        stage.take(shown(850))
        await stage.wait(pilot, "Agent a warning: 85.0% used (850 /")
        stage.take(shown(1000))
        await stage.wait(pilot, "Limit exceeded: a")
        await pilot.pause()
        assert len(stage.app._notifications) == 1


async def test_a_toast_tells_everything_where_the_banner_is_covered(tmp_path: Path) -> None:
    stage = Stage(tmp_path, shown(1))
    async with stage.run(120, 40) as pilot:
        await stage.wait(pilot, "1 / 10,000")
        await pilot.press("question_mark")
        await stage.wait(pilot, "Esc closes")
        stage.take(shown(8000))
        await stage.wait(pilot, lambda: len(stage.app._notifications) == 2)
        assert sorted(toast.message for toast in stage.app._notifications) == [
            "Agent a exceeded: 800.0% used (8000 / 1000)",
            "Token budget warning: 80.0% used (8000 / 10000)",
        ]


async def test_alarms_come_while_the_display_is_paused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Notify(bell=True)
    stage = Stage(tmp_path, shown(1, notify=bell))
    bells = Bells(stage, monkeypatch)
    async with stage.run() as pilot:
        await stage.wait(pilot, "1 / 10,000")
        await pilot.press("p")
        stage.take(shown(8000, notify=bell))
        await stage.wait(pilot, lambda: bells.rung == 1)


async def test_a_ledger_that_can_be_read_again_is_no_crossing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Notify(bell=True)
    unread = msgspec.structs.replace(shown(0, notify=bell), ledger_trouble="no permission")
    stage = Stage(tmp_path, unread)
    bells = Bells(stage, monkeypatch)
    async with stage.run() as pilot:
        await stage.wait(pilot, "no permission")
        for used in (9000, 9100):
            stage.take(shown(used, notify=bell))
            await stage.wait(pilot, f"{used:,} / 10,000")
        stage.take(unread)
        await stage.wait(pilot, "no permission")
        stage.take(shown(9200, notify=bell))
        await stage.wait(pilot, "9,200 / 10,000")
        assert bells.rung == 0
        stage.take(shown(10_000, notify=bell))
        await stage.wait(pilot, lambda: bells.rung == 1)


def many(used: int) -> View:
    agents = [f"agent-{number}" for number in range(9)]
    return view([(agent, "gpt-4", used) for agent in agents], limits=dict.fromkeys(agents, 1000))


async def test_of_many_at_once_only_some_are_told_in_words(tmp_path: Path) -> None:
    stage = Stage(tmp_path, many(1))
    async with stage.run(120, 40) as pilot:
        await stage.wait(pilot, "9 / 1,000,000")
        stage.take(many(900))
        await stage.wait(pilot, lambda: len(stage.app._notifications) == 5)
        assert [toast.message for toast in stage.app._notifications][-2:] == [
            "Agent agent-3 warning: 90.0% used (900 / 1000)",
            "and 5 more limits",
        ]


async def test_a_toast_tells_those_that_the_banner_has_no_room_to_name(tmp_path: Path) -> None:
    stage = Stage(tmp_path, many(1))
    async with stage.run(120, 40) as pilot:
        await stage.wait(pilot, "9 / 1,000,000")
        stage.take(many(1000))
        await stage.wait(pilot, "Limit exceeded: agent-0, agent-1, agent-2, agent-3 and 5 more")
        await stage.wait(pilot, lambda: len(stage.app._notifications) == 5)
        first = next(iter(stage.app._notifications))
        assert (first.message, first.severity) == ("Agent agent-4 exceeded: 100.0% used (1000 / 1000)", "error")


@pytest.mark.parametrize("name", ["[red]x[/]", *HOSTILE.values()])
async def test_a_hostile_name_is_shown_as_text(tmp_path: Path, name: str) -> None:
    def hostile(used: int) -> View:
        seen = view(((name, "gpt-4", used), ("limited", "gpt-4", used)), limits={"limited": 1000})
        # No config can limit such a name; a row says of the other one what it would say of this.
        row = next(row for row in seen.snapshot.agents if row.agent_id == "limited")
        rows = (msgspec.structs.replace(row, agent_id=name),)
        over = tuple(name if each == "limited" else each for each in seen.snapshot.exceeded)
        return msgspec.structs.replace(
            seen, snapshot=msgspec.structs.replace(seen.snapshot, agents=rows, limited=rows, exceeded=over)
        )

    stage = Stage(tmp_path, hostile(1))
    async with stage.run(120, 40) as pilot:
        await stage.wait(pilot, "2 / 1,000,000")
        stage.take(hostile(900))
        await stage.wait(pilot, "90.0% used (900 /")
        check(stage)
        if name == "[red]x[/]":
            assert "Agent [red]x[/] warning" in stage.text
        assert title_of(hostile(1000).snapshot).isprintable()
        assert not stage.app._exit


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeDesktop:
    return FakeDesktop(monkeypatch)


async def test_the_desktop_is_told(tmp_path: Path, library: FakeDesktop) -> None:
    wanted = Notify(desktop=True)
    stage = Stage(tmp_path, shown(1, notify=wanted))
    async with stage.run() as pilot:
        await stage.wait(pilot, "1 / 10,000")
        stage.take(shown(850, notify=wanted))
        await stage.wait(pilot, lambda: library.sent == [("budgauge", "Agent a warning: 85.0% used (850 / 1000)")])


async def test_a_missing_extra_is_told_once_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "desktop_notifier", None)
    wanted = Notify(desktop=True)
    stage = Stage(tmp_path, shown(1, notify=wanted))
    async with stage.run(100, 30) as pilot:
        await stage.wait(pilot, "Desktop notifications need desktop-notifier: pipx inject budgauge desktop-notifier")
        stage.take(shown(850, notify=wanted))
        await stage.wait(pilot, "850 / 10,000")
        assert stage.text.count("need desktop-notifier") == 1
        stage.take(shown(860))
        await stage.wait(pilot, "860 / 10,000")
        await stage.wait(pilot, lambda: "need desktop-notifier" not in stage.text)


async def test_the_library_is_not_loaded_unless_wanted(tmp_path: Path, library: FakeDesktop) -> None:
    stage = Stage(tmp_path, shown(1))
    async with stage.run() as pilot:
        await stage.wait(pilot, "1 / 10,000")
        stage.take(shown(850))
        await stage.wait(pilot, "850 / 10,000")
    assert library.made == 0


async def test_a_desktop_that_hangs_holds_up_nothing(tmp_path: Path, library: FakeDesktop) -> None:
    library.blocks.clear()
    wanted = Notify(desktop=True)
    stage = Stage(tmp_path, shown(1, notify=wanted))
    async with stage.run() as pilot:
        stage.take(shown(850, notify=wanted))
        await stage.wait(pilot, "850 / 10,000")
        assert library.made == 1
    library.blocks.set()


class Screenless:
    """What an alarm needs of an app."""

    is_headless = False

    def __init__(self) -> None:
        self.written = ""
        self._driver = self

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None:
        pass


def test_the_title_follows_and_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    app, wanted = Screenless(), Notify(title=True)
    alarm = Alarm(app, print)  # type: ignore[arg-type]  # as much of an app as it needs
    alarm.take(shown(8000, notify=wanted), covered=False)
    title = "budgauge: 80.0% used, warning; Limit exceeded: a"
    assert app.written == f"\x1b[22;2t\x1b]2;{title}\x07"
    alarm.take(shown(8000), covered=False)
    assert app.written.endswith("\x1b[23;2t")
    alarm.end()
    assert app.written.count("\x1b[23;2t") == 1


@pytest.mark.parametrize(
    ("seen", "title"),
    [
        (view((("a", "gpt-4", 5),), budget=10), "budgauge: 50.0% used, ok"),
        (view((("a", "gpt-4", 5000),), budget=0), "budgauge: 5,000 tokens used"),
        (
            view((("a", "gpt-4", 5),), limits={"a": 5, "a/*": 5}),
            "budgauge: 0.0% used, ok; Limit exceeded: a and 1 more",
        ),
    ],
)
def test_titles(seen: View, title: str) -> None:
    assert title_of(seen.snapshot) == title

"""Warnings that reach a person who does not look: bell, title, desktop, and toasts for what no banner shows."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from budgauge.config import BudgetConfig
from budgauge.config.model import Notify
from budgauge.monitor import desktop
from budgauge.monitor.alarm import Alarm
from budgauge.observer import View
from monitor.stage import Stage, view

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


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The extra, without a desktop behind it."""
    package, module = ModuleType("desktop_notifier"), ModuleType("desktop_notifier.sync")
    module.sent = []  # type: ignore[attr-defined]  # a module of our own

    class DesktopNotifierSync:
        def __init__(self, app_name: str) -> None:
            self.app_name = app_name

        def send(self, title: str, message: str) -> str:
            module.sent.append((title, message))  # type: ignore[attr-defined]  # as above
            if "raise" in message:
                raise OSError("no bus")
            if "log" in message:
                logging.getLogger("desktop_notifier.base").warning("Notification failed", exc_info=OSError("no server"))
            return "1"

    module.DesktopNotifierSync = DesktopNotifierSync  # type: ignore[attr-defined]  # as above
    monkeypatch.setitem(sys.modules, "desktop_notifier", package)
    monkeypatch.setitem(sys.modules, "desktop_notifier.sync", module)
    return module


class Told:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self._event = threading.Event()

    def __call__(self, text: str) -> None:
        self.texts.append(text)
        self._event.set()

    def wait(self) -> list[str]:
        assert self._event.wait(10)
        return self.texts


async def test_the_desktop_is_told(tmp_path: Path, library: ModuleType) -> None:
    wanted = Notify(desktop=True)
    stage = Stage(tmp_path, shown(1, notify=wanted))
    async with stage.run() as pilot:
        await stage.wait(pilot, "1 / 10,000")
        stage.take(shown(850, notify=wanted))
        await stage.wait(pilot, lambda: library.sent == [("budgauge", "Agent a warning: 85.0% used (850 / 1000)")])


async def test_a_missing_extra_is_told_once_on_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "desktop_notifier.sync", None)
    wanted = Notify(desktop=True)
    stage = Stage(tmp_path, shown(1, notify=wanted))
    async with stage.run() as pilot:
        await stage.wait(pilot, "1 / 10,000")
        stage.take(shown(850, notify=wanted))
        await stage.wait(pilot, "Desktop notifications need an extra: pip install 'budgauge[notify]'")


@pytest.mark.parametrize(("text", "fault"), [("raise", "no bus"), ("log", "no server")])
def test_a_desktop_that_does_not_answer_is_told_once(library: ModuleType, text: str, fault: str) -> None:
    told = Told()
    sender = desktop.Desktop(told)
    sender.send(text)
    sender.send(text)
    assert told.wait() == [f"Desktop notifications do not work: {fault}"]


def test_nothing_sent_can_be_read_as_markup(library: ModuleType) -> None:
    told = Told()
    sender = desktop.Desktop(told)
    sender.send('<a href="x">&amp;</a> raise')
    told.wait()
    assert library.sent == [("budgauge", '‹a href="x"›＆amp;‹/a› raise')]


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


def test_the_title_is_set_and_brought_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    app, wanted = Screenless(), Notify(title=True)
    alarm = Alarm(app, print)  # type: ignore[arg-type]  # as much of an app as it needs
    alarm.take(shown(8000, notify=wanted).snapshot, wanted, covered=False)
    alarm.take(shown(8000, notify=wanted).snapshot, wanted, covered=False)
    assert app.written == "\x1b[22;2t\x1b]2;budgauge: 80.0% used, warning\x07"
    alarm.suspend()
    alarm.resume()
    alarm.take(shown(10_000).snapshot, wanted, covered=False)
    alarm.take(shown(10_000).snapshot, Notify(), covered=False)
    alarm.set_title("")
    assert app.written == (
        "\x1b[22;2t\x1b]2;budgauge: 80.0% used, warning\x07"
        "\x1b[23;2t"
        "\x1b[22;2t\x1b]2;budgauge: 80.0% used, warning\x07"
        "\x1b]2;budgauge: 100.0% used, exceeded\x07"
        "\x1b[23;2t"
    )


@pytest.mark.parametrize("term", ["linux", "dumb", "vt100"])
def test_a_terminal_without_a_title_gets_none(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    app, wanted = Screenless(), Notify(title=True)
    Alarm(app, print).take(shown(1).snapshot, wanted, covered=False)  # type: ignore[arg-type]  # as above
    assert app.written == ""

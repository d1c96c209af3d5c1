"""Desktop notifications: what cannot be shown is told, once, and nothing waits for it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from budgauge.monitor.notify.desktop import MISSING, Desktop
from monitor.fake_desktop import FakeDesktop


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeDesktop:
    return FakeDesktop(monkeypatch)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def desktop(told: list[str]) -> Iterator[Callable[[], Desktop]]:
    made: list[Desktop] = []

    def make() -> Desktop:
        made.append(Desktop(told.append, answer_seconds=0.05))
        return made[-1]

    yield make
    for each in made:
        each.end()
    wait(lambda: not threads())


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "budgauge-desktop"]


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


Make = Callable[[], Desktop]
WRONG = "Desktop notifications do not work: "


def test_texts_are_sent_in_their_order_over_one_connection(library: FakeDesktop, desktop: Make) -> None:
    sender = desktop()
    texts = [f"text {number}" for number in range(50)]
    for text in texts:
        sender.send(text)
    wait(lambda: library.sent == [("budgauge", text) for text in texts])
    assert library.made == 1


def test_nothing_sent_can_be_read_as_markup(library: FakeDesktop, desktop: Make) -> None:
    desktop().send('<a href="x">&amp;</a>')
    wait(lambda: library.sent == [("budgauge", '‹a href="x"›＆amp;‹/a›')])


def test_a_missing_extra_is_told_once(monkeypatch: pytest.MonkeyPatch, told: list[str], desktop: Make) -> None:
    monkeypatch.setitem(sys.modules, "desktop_notifier", None)
    sender = desktop()
    wait(lambda: bool(told))
    sender.send("x")
    sender.send("y")
    wait(lambda: not sender._waiting)
    assert told == [MISSING]


def test_no_bus_is_told_before_anything_is_sent(library: FakeDesktop, told: list[str], desktop: Make) -> None:
    library.connecting = OSError("no bus \x1b[31m")
    desktop()
    wait(lambda: told == [f"{WRONG}no bus \N{REPLACEMENT CHARACTER}[31m"])


def test_a_system_that_shows_or_allows_none_is_told(library: FakeDesktop, told: list[str], desktop: Make) -> None:
    library.is_allowed = False
    sender = desktop()
    wait(lambda: told == [f"{WRONG}this system does not allow them to this program"])
    library.capabilities = frozenset()
    sender.send("x")
    wait(lambda: told[1:] == [f"{WRONG}this system shows none to this program"])


def test_what_sending_fails_of_is_told_once_and_so_is_that_it_works_again(
    library: FakeDesktop, told: list[str], desktop: Make
) -> None:
    sender = desktop()
    library.sending = OSError("no server")
    sender.send("lost")
    wait(lambda: told == [f"{WRONG}no server"])
    sender.send("lost, too")
    wait(lambda: library.made == 2)
    library.sending = None
    sender.send("shown")
    wait(lambda: ("budgauge", "shown") in library.sent)
    wait(lambda: told == [f"{WRONG}no server", ""])


def test_no_answer_is_told_and_the_next_text_tries_again(library: FakeDesktop, told: list[str], desktop: Make) -> None:
    library.is_silent = True
    sender = desktop()
    wait(lambda: told == [f"{WRONG}no answer within 0.05 seconds"])
    library.is_silent = False
    sender.send("x")
    wait(lambda: library.sent == [("budgauge", "x")])


def test_the_end_waits_for_nothing(library: FakeDesktop, told: list[str], desktop: Make) -> None:
    library.blocks.clear()
    library.connecting = OSError("late")
    sender = desktop()
    sender.send("x")
    sender.end()
    assert threads(), "it has returned before the thread that cannot end yet"
    library.blocks.set()
    wait(lambda: not threads())
    assert (told, library.sent) == ([], [])

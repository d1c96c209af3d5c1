"""The terminal's title is set and given back, as often as it was kept."""

from __future__ import annotations

import pytest

from budgauge.monitor.notify.title import TerminalTitle

KEEP, GIVE_BACK = "\x1b[22;2t", "\x1b]2;\x07\x1b[23;2t"


def titled(text: str) -> str:
    return f"\x1b]2;{text}\x07"


@pytest.fixture
def written() -> list[str]:
    return []


@pytest.fixture
def title(written: list[str]) -> TerminalTitle:
    return TerminalTitle(written.append, "xterm-256color")


def test_the_one_before_is_kept_once_and_given_back_once(title: TerminalTitle, written: list[str]) -> None:
    title.set("a")
    title.set("a")
    title.set("b")
    assert written == [KEEP + titled("a"), titled("b")]
    title.set("")
    title.set("")
    assert written[2:] == [GIVE_BACK]


def test_another_program_sees_its_own_in_between(title: TerminalTitle, written: list[str]) -> None:
    title.set("a")
    title.give_back()
    title.take()
    title.set("")
    assert written == [KEEP + titled("a"), GIVE_BACK, KEEP + titled("a"), GIVE_BACK]


def test_stopped_from_outside_nothing_is_kept_twice(title: TerminalTitle, written: list[str]) -> None:
    title.set("a")
    title.take()
    title.set("")
    assert written == [KEEP + titled("a"), titled("a"), GIVE_BACK]


def test_what_never_was_set_is_never_given_back(title: TerminalTitle, written: list[str]) -> None:
    title.give_back()
    title.take()
    title.set("")
    assert (written, title.owed) == ([], "")


def test_what_is_owed_is_what_gives_it_back(title: TerminalTitle) -> None:
    title.set("a")
    assert title.owed == GIVE_BACK
    title.give_back()
    assert title.owed == ""


@pytest.mark.parametrize("term", ["", "linux", "dumb", "vt100", "vt220"])
def test_a_terminal_without_a_title_gets_none(written: list[str], term: str) -> None:
    title = TerminalTitle(written.append, term)
    title.set("a")
    title.take()
    title.set("")
    assert (written, title.owed) == ([], "")


@pytest.mark.parametrize("term", ["xterm", "vte-256color", "tmux-256color", "foot"])
def test_others_do(written: list[str], term: str) -> None:
    TerminalTitle(written.append, term).set("a")
    assert written

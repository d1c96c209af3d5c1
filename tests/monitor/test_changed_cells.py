"""The terminal gets what changed and nothing else, and still shows everything."""

from __future__ import annotations

import random
from pathlib import Path

import pyte
import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.drivers.headless_driver import HeadlessDriver
from textual.geometry import Region
from textual.strip import Strip

from budgauge.monitor.drawing.changed_cells import Shown
from monitor.stage import CALLS, Stage, view

COLUMNS, LINES = 40, 6
CONSOLE = Console(color_system="truecolor", force_terminal=True)
PLAIN = Style(color="#ffffff", bgcolor="#000000")
BOLD = Style(color="#ffcc00", bgcolor="#000000", bold=True)


def sent(shown: Shown, update: ChopsUpdate | LayoutUpdate) -> str:
    difference = shown.only_changed(update)
    assert isinstance(difference, CompositorUpdate)
    return difference.render_segments(CONSOLE)


def whole(lines: list[str]) -> LayoutUpdate:
    return LayoutUpdate([[Strip([Segment(line, PLAIN)])] for line in lines], Region(0, 0, COLUMNS, len(lines)))


def line(y: int, segments: list[Segment], *, span: tuple[int, int] = (0, COLUMNS)) -> ChopsUpdate:
    """An update of one line."""
    strip = Strip(segments).adjust_cell_length(COLUMNS, PLAIN)
    return ChopsUpdate([*[{0: None}] * y, {0: strip}], [(y, *span)], [[COLUMNS]] * (y + 1))


def test_what_is_shown_is_not_sent_again() -> None:
    shown = Shown()
    sent(shown, whole(["used 1,234".ljust(COLUMNS)]))
    assert sent(shown, line(0, [Segment("used 1,234", PLAIN)])) == ""
    once = sent(shown, line(0, [Segment("used 1,235", PLAIN)]))
    assert once.startswith("\x1b[1;10H")
    assert "m5\x1b" in once
    assert sent(shown, line(0, [Segment("used 1,235", PLAIN)])) == ""


def test_another_style_is_a_change() -> None:
    shown = Shown()
    sent(shown, whole(["ab".ljust(COLUMNS)]))
    assert "b" in sent(shown, line(0, [Segment("a", PLAIN), Segment("b", BOLD)]))


def test_only_what_lies_in_the_span_is_sent() -> None:
    shown = Shown()
    sent(shown, whole([" " * COLUMNS]))
    once = sent(shown, line(0, [Segment("abcdef", PLAIN)], span=(2, 4)))
    assert ("cd" in once, "b" in once, "e" in once) == (True, False, False)


def test_a_whole_screen_is_sent_whole() -> None:
    shown, update = Shown(), whole(["same".ljust(COLUMNS)])
    assert sent(shown, update) == sent(shown, update) == update.render_segments(CONSOLE)


def test_what_it_does_not_know_passes() -> None:
    assert Shown().only_changed(None) is None
    assert Shown().only_changed("text") == "text"


def test_half_of_a_wide_character_that_was_covered_comes_back() -> None:
    shown = Shown()
    sent(shown, whole(["数x".ljust(COLUMNS - 1)]))
    sent(shown, line(0, [Segment(" │", PLAIN)], span=(1, 2)))
    assert "数" in sent(shown, line(0, [Segment("数x", PLAIN)]))


@pytest.mark.parametrize("seed", range(20))
def test_the_terminal_shows_the_same_as_without(seed: int) -> None:
    chance, shown = random.Random(seed), Shown()
    ours, theirs = (pyte.Screen(COLUMNS, LINES) for _ in range(2))
    streams = pyte.Stream(ours), pyte.Stream(theirs)
    for screen in (ours, theirs):
        screen.set_mode(pyte.modes.LNM)
    first = whole([" " * COLUMNS] * LINES)
    streams[0].feed(sent(shown, first))
    streams[1].feed(first.render_segments(CONSOLE))
    for _ in range(60):
        words = [chance.choice(["1,234", "x", "━━╸", "数字", "é", "  ", "plain words"]) for _ in range(8)]
        segments = [Segment(word, chance.choice([PLAIN, BOLD])) for word in words]
        update = line(chance.randrange(LINES), segments)
        streams[0].feed(sent(shown, update))
        streams[1].feed(update.render_segments(CONSOLE))
        assert ours.display == theirs.display
        assert ours.buffer == theirs.buffer


async def test_one_number_more_does_not_send_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(HeadlessDriver, "write", lambda _, data: written.append(data))
    stage = Stage(tmp_path, view())
    async with stage.run(100, 30) as pilot:
        monkeypatch.setattr(type(stage.app), "is_headless", False)
        stage.app.refresh()
        await stage.wait(pilot, "812,000 /")
        await pilot.pause()
        screen = len("".join(written))
        written.clear()
        (agent, model, tokens), *others = CALLS
        stage.take(view(((agent, model, tokens + 1), *others)))
        await stage.wait(pilot, "812,001 /")
        await pilot.pause()
        sent = "".join(written)
        assert "1" in sent
        assert 0 < len(sent) < screen / 20, f"{len(sent)} bytes, the whole screen is {screen}"

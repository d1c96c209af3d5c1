"""The pure parts: bars, columns, rates, wrapped lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.forecast import rate_now
from budgauge.monitor.columns import GAP, Extent, fit_columns
from budgauge.monitor.drawing.bar import limit_bar, share_bar
from budgauge.monitor.drawing.big import big, big_cells
from budgauge.monitor.drawing.chart import columns
from budgauge.monitor.drawing.time_text import ago, clock, day, span
from budgauge.monitor.drawing.wrap import shell_lines, wrap
from budgauge.monitor.theme import next_theme
from budgauge.monitor.widgets.key_line import Key, fit_keys
from budgauge.monitor.widgets.row_painter import _percent
from budgauge.text import width


@given(st.floats(0, 50), st.integers(3, 120), st.floats(0, 1))
def test_a_bar_is_as_wide_as_it_should_be(part: float, cells: int, mark: float) -> None:
    assert sum(len(text) for text, _ in limit_bar(part, cells, mark)) == cells
    assert sum(len(text) for text, _ in share_bar(min(part, 1), cells)) == cells


@given(st.floats(0.0001, 0.9999), st.integers(4, 120))
def test_only_nothing_is_empty_and_only_all_is_full(part: float, cells: int) -> None:
    bar = "".join(text for text, _ in limit_bar(part, cells))
    assert bar.strip()
    assert bar != "█" * cells
    assert "".join(text for text, _ in limit_bar(1, cells)) == "█" * cells
    assert not "".join(text for text, _ in limit_bar(0, cells)).strip()


def test_a_bar_has_eighths_and_a_mark() -> None:
    assert limit_bar(0.5 + 3 / 80, 10, 0.8) == [("█████", "fill"), ("▍  ", "track"), ("│", "mark"), (" ", "track")]
    assert limit_bar(0.9, 10, 0.5) == [("█████", "fill"), ("│", "mark-filled"), ("███", "fill"), (" ", "track")]
    assert limit_bar(2, 10, 0.8) == [("█████", "fill"), ("│", "mark-filled"), ("▒▒▒▒", "over")]


@given(st.integers(38, 300), st.integers(0, 130), st.integers(1, 21))
def test_columns_fit_and_agent_and_used_stay(cells: int, agent: int, used: int) -> None:
    shown = fit_columns(cells, Extent(agent, used))
    assert sum(column.cells for column in shown) + GAP * (len(shown) - 1) <= cells
    names = [column.name for column in shown]
    assert names[:2] == ["agent", "used"]
    assert shown[1].cells == used


def test_columns_go_in_order() -> None:
    counts = [len(fit_columns(cells, Extent(20, 9))) for cells in range(40, 200)]
    assert counts == sorted(counts)
    assert counts[0] >= 3
    assert counts[-1] == 12


def test_the_rate_is_that_of_the_last_sixty_seconds() -> None:
    minutes = ((10, 600), (11, 100))
    assert rate_now(minutes, 11 * 60) == 700
    assert rate_now(minutes, 11 * 60 + 30) == 400
    assert rate_now(minutes, 12 * 60 + 59) == 2
    assert rate_now(minutes, 20 * 60) == 0
    assert rate_now((), 0) == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *((0, "1s"), (59, "59s"), (60, "1m"), (99 * 60, "99m"), (100 * 60, "1h 40m"), (7200, "2h")),
        *((86_399, "1d"), (86_400, "1d"), (100_000, "1d 4h"), (20 * 86_400, "20d"), (1e12, ">999d")),
    ],
)
def test_spans_are_short(seconds: float, words: str) -> None:
    assert span(seconds) == words


@given(st.floats(0, 1e15))
def test_spans_fit_in_seven_cells(seconds: float) -> None:
    assert len(span(seconds)) <= 7


@given(st.text(st.sampled_from("0123456789.,%>kMBT hdms"), min_size=1, max_size=8), st.sampled_from([1, 2]))
def test_large_figures_are_as_wide_as_they_say(text: str, scale: int) -> None:
    lines = big(text, scale)
    assert {len(line) for line in lines} == {big_cells(text, scale)}
    assert len(lines) == {1: 3, 2: 5}[scale]


def test_large_figures_differ() -> None:
    assert len({tuple(big(char)) for char in "0123456789kMBThdms%"}) == 19


def test_a_chart_shows_whatever_is_not_nothing() -> None:
    assert columns([0, 1, 1000], 2) == ["  █", " ▁█"]
    assert columns([0, 0], 1) == ["  "]


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z", "M")), max_size=60), st.integers(2, 30))
def test_wrapped_lines_fit(text: str, cells: int) -> None:
    assert all(width(line) <= cells for line in wrap(f"{text} {text}", cells, 3))
    assert len(wrap(f"{text} {text}", cells, 3)) <= 3


def test_commands_are_continued_where_they_are_cut() -> None:
    assert shell_lines(("budgauge", "record", "--agent me"), 16) == ["budgauge \\", "  record \\", "  --agent me"]
    assert shell_lines(("budgauge", "record"), 40) == ["budgauge record"]


def test_times() -> None:
    assert (clock(0), clock(0, seconds=True), day(0)) == ("00:00", "00:00:00", "1970-01-01 00:00")
    assert clock(1e30) == "unknown"
    seconds = (-5, 0, 59, 60, 3599, 3600, 86_399, 86_400, 1e12)
    assert [ago(second) for second in seconds] == ["now", "now", "now", "1m", "59m", "1h", "23h", "1d", "999d"]


@pytest.mark.parametrize(("cells", "shown"), [(100, "abh"), (17, "ah"), (1, "h")])
def test_help_is_the_last_key_to_go(cells: int, shown: str) -> None:
    keys = (Key("a", "First", "a"), Key("b", "Second", "b"), Key("h", "Help", "h"))
    assert "".join(key.key for key in fit_keys(keys, cells)) == shown


def test_themes_go_round_and_ours_come_first() -> None:
    names = ["nord", "budgauge-light", "budgauge-colour-blind", "budgauge-dark"]
    assert next_theme("budgauge-dark", names) == "budgauge-light"
    assert next_theme("budgauge-light", names) == "budgauge-colour-blind"
    assert next_theme("budgauge-colour-blind", names) == "nord"
    assert next_theme("nord", names) == "budgauge-dark"
    assert next_theme("gone", names) == "budgauge-dark"


@pytest.mark.parametrize(("part", "text"), [(0.0, "0.0%"), (999.9, "999.9%"), (999.95, ">999%"), (9e15, ">999%")])
def test_a_percentage_fits_its_column(part: float, text: str) -> None:
    assert _percent(part) == text

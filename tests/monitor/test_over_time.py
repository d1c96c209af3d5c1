"""Over time: the geometry of the charts, and the screen that shows them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import MouseScrollDown, MouseScrollUp

from budgauge.accounting.codec import encode
from budgauge.accounting.records import Reset
from budgauge.monitor.drawing.chart import _EIGHTHS, round_top, stacked, trend
from budgauge.monitor.drawing.spans import ZOOMS, chart_span, counter_span, shown_number, shown_steps
from budgauge.monitor.drawing.time_text import moment, utc_offset
from budgauge.monitor.screens.over_time import OverTime
from budgauge.monitor.widgets.key_line import KeyLine
from budgauge.monitor.widgets.time_chart import NAMED, TimeChart
from monitor.stage import NOW, Stage, golden, view
from monitor.test_hostile import HOSTILE, check
from usage import line, usage

series = st.integers(1, 12).flatmap(
    lambda number: st.lists(st.lists(st.integers(0, 10**9), min_size=number, max_size=number), min_size=1, max_size=8)
)


@given(series, st.integers(1, 20))
def test_a_column_is_as_high_as_its_sum(values: list[list[int]], lines: int) -> None:
    sums = [sum(step) for step in zip(*values, strict=True)]
    top = max(1, *sums)
    drawn = stacked(values, lines, top)
    assert len(drawn) == lines
    for place, whole in enumerate(sums):
        column = [row[place] for row in reversed(drawn)]
        height = 0
        for char, front, back in column:
            assert (front is None) == (char == " ")
            assert front is None or values[front][place]
            assert back is None or (back != front and values[back][place])
            height += 8 if back is not None else _EIGHTHS.index(char)
        assert height == (max(1, round(whole * lines * 8 / top)) if whole else 0)
        # Nothing hangs in the air, and nobody stands below who comes before.
        filled = [char != " " for char, _, _ in column]
        assert filled == sorted(filled, reverse=True)
        shown = [number for _, front, back in column for number in (front, back) if number is not None]
        assert shown == sorted(shown)


def test_two_in_one_cell_are_told_by_two_colours() -> None:
    assert stacked([[4], [4]], 1, 8) == [[("▄", 0, 1)]]
    assert stacked([[8], [8]], 2, 16) == [[("█", 1, None)], [("█", 0, None)]]
    assert stacked([[1], [2]], 1, 8) == [[("▃", 1, None)]]


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (2, 2), (3, 5), (6, 10), (41_800, 50_000), (50_001, 100_000)]
)
def test_an_axis_ends_at_a_round_number(value: int, top: int) -> None:
    assert round_top(value) == top


@given(st.lists(st.integers(0, 10**9), max_size=30))
def test_a_trend_shows_whatever_is_not_nothing_and_leaves_its_top_free(values: list[int]) -> None:
    drawn = trend(values)
    assert [char == " " for char in drawn] == [value == 0 for value in values]
    assert "█" not in drawn


@given(
    st.sampled_from(ZOOMS),
    st.floats(1e6, 4e9),
    st.integers(8, 300),
    st.sampled_from([0, 3600, -5 * 3600, 19_800, 20_700]),
)
def test_steps_fill_the_width_and_hold_the_present(zoom: int, now: float, cells: int, offset: int) -> None:
    span = chart_span(zoom, now, cells, offset)
    number = shown_number(span)
    assert span.begin <= now < span.end
    assert cells * 2 / 3 < number * (cells // number) <= cells
    assert number * span.step >= zoom or span.step == 86_400
    steps = shown_steps(span, now)
    assert steps.stop - steps.start == number
    assert span.begin + (steps.stop - 1) * span.step <= now < span.begin + steps.stop * span.step
    assert (span.begin + offset) % span.step == 0 or span.begin == 0
    later = shown_steps(span, min(now + span.step, span.end - 1))
    assert later.stop - steps.stop in (0, 1)


@given(st.floats(0, 2e9), st.floats(0, 1e8), st.floats(0, 1e8), st.integers(1, 300))
def test_counters_are_shown_from_their_beginning_to_their_end(
    begin: float, passed: float, left: float, cells: int
) -> None:
    now = begin + passed
    span = counter_span(begin, now + left, now, cells)
    assert span.begin <= begin
    assert span.end > now
    assert span.end >= now + left - 1
    assert span.number <= cells


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path, view())
    stage.clock.now = NOW + 30
    lines = [
        usage(f"agent-{i}", 1000 * (i + 1), 0, timestamp=NOW - 60 * place)
        for i in range(8)
        for place in range(i, 50, 3)
    ]
    lines.append(usage("yesterday", 500_000, 0, timestamp=NOW - 86_400))
    stage.observer.ledger.write_bytes(b"".join(map(encode, lines)))
    return stage


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (140, 45)])
async def test_the_screen(stage: Stage, columns: int, lines: int) -> None:
    async with stage.run(columns, lines) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("o")
        await stage.wait(pilot, "2 others")
        for place in range(NAMED):
            assert f"agent-{7 - place}" in stage.text
        assert "yesterday" not in stage.text
        assert "Reading" not in stage.text
        golden(f"over-time-{columns}x{lines}", stage.text)


@pytest.mark.slow
async def test_keys_the_wheel_and_clicks_zoom(stage: Stage) -> None:
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("o")
        await stage.wait(pilot, "the last 88m")
        await pilot.press("plus")
        await stage.wait(pilot, "the last 44m")
        await pilot.press("plus", "plus", "minus", "minus")
        await stage.wait(pilot, "the last 4h 24m")
        await pilot._post_mouse_events([MouseScrollUp], "#over-time", offset=(5, 5), control=True)
        await stage.wait(pilot, "the last 88m")
        await pilot._post_mouse_events([MouseScrollDown], "#over-time", offset=(5, 5), control=True)
        await stage.wait(pilot, "the last 4h 24m")
        line = stage.app.screen.query_one(KeyLine)
        await pilot.click(KeyLine, offset=(stage.text.splitlines()[-1].index("Longer"), 0))
        await stage.wait(pilot, lambda: "yesterday" not in stage.text and "4h 24m" not in stage.text)
        assert line.keys[0].label == "Back"
        for _ in range(12):
            await pilot.press("minus")
        await stage.wait(pilot, "yesterday")
        await stage.wait(pilot, lambda: "Reading" not in stage.text)


async def test_times_stand_where_steps_begin_and_equally_far_apart(stage: Stage) -> None:
    async with stage.run(200, 40) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("o")
        await stage.wait(pilot, "2 others")
        times = next(line for line in stage.text.splitlines() if " now" in line)
        found = [(match.start(), int(match[1]) * 60 + int(match[2])) for match in re.finditer(r"(\d\d):(\d\d)", times)]
        apart = {(right - left, later - sooner) for (left, sooner), (right, later) in pairwise(found)}
        assert apart == {(15, 5)}


@pytest.mark.parametrize("key", ["escape", "o", "backspace"])
async def test_it_is_left_by(stage: Stage, key: str) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("o")
        await stage.wait(pilot, "2 others")
        await pilot.press(key)
        await stage.wait(pilot, lambda: len(stage.app.screen_stack) == 1)


async def test_it_keeps_up_and_reads_only_what_is_new(stage: Stage) -> None:
    scans = []
    make = stage.observer.time_scan
    stage.observer.time_scan = lambda *spans: scans.append(spans) or make(*spans)  # type: ignore[method-assign,func-returns-value]
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("o")
        await stage.wait(pilot, "2 others")
        read = len(scans)
        with stage.observer.ledger.open("ab") as file:
            file.write(line("newcomer", 777_777, 0, timestamp=NOW))
        stage.take(view((("newcomer", "gpt-4", 777_777),)))
        await stage.wait(pilot, "777,777")
        assert len(scans) == read
        stage.clock.now = NOW + 3 * 3600
        stage.app._second_passed()
        await stage.wait(pilot, "Nothing was used in this time.")
        assert len(scans) == read + 1


async def test_what_a_reset_took_away_is_in_the_chart_but_not_in_the_cost(stage: Stage) -> None:
    with stage.observer.ledger.open("ab") as file:
        file.write(encode(Reset(NOW, "r")) + line("after", 10_000, 0, timestamp=NOW + 5))
    shown = view((("after", "gpt-4", 10_000),))
    shown = msgspec.structs.replace(shown, snapshot=msgspec.structs.replace(shown.snapshot, since=NOW))
    stage.observer.view = shown
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "10,000 /")
        await pilot.press("o")
        await stage.wait(pilot, "cost against the budget, since 2026-01-01 00:00")
        assert "$0.3000 of $30.00" in stage.text
        assert "agent-7" in stage.text
        drawn = stage.app.screen.query_one(TimeChart).view_model
        assert drawn is not None
        assert drawn.read is not None
        assert sum(drawn.read[2].used) == 10_000


async def test_without_prices_tokens_stand_against_the_budget(stage: Stage) -> None:
    stage.observer.view = view((("a", "in-house", 90_000),))
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "90,000 /")
        await pilot.press("o")
        await stage.wait(pilot, "tokens against the budget")
        assert "90,000 of 1,000,000 tokens" in stage.text


@pytest.mark.parametrize(
    ("model", "title", "spent"),
    [("gpt-4", "cost, since 2025-12-31", "$2.70"), ("in-house", "tokens, since 2025-12-31", "90,000 tokens")],
)
async def test_without_a_budget_there_is_no_line(stage: Stage, model: str, title: str, spent: str) -> None:
    stage.observer.view = view((("a", model, 90_000),), budget=0)
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "90,000")
        await pilot.press("o")
        await stage.wait(pilot, title)
        assert spent in stage.text
        assert "budget" not in stage.text.replace("budgauge", "")


async def test_what_the_cost_leaves_out_is_told(stage: Stage) -> None:
    stage.observer.view = view((("a", "gpt-4", 90_000), ("b", "in-house", 40_000)))
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "130,000 /")
        await pilot.press("o")
        await stage.wait(pilot, "$2.70 of $30.00")
        assert "40,000 tokens unpriced: in-house" in stage.text


async def test_an_empty_ledger_and_one_that_cannot_be_read(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("o")
        await stage.wait(pilot, "Nothing was used in this time.")
        await pilot.press("escape")
        stage.observer.ledger.mkdir()
        await pilot.press("o")
        # A long path wraps the sentence at any place.
        await stage.wait(pilot, lambda: "isafolder" in re.sub(r"\W", "", stage.text))


@pytest.mark.slow
async def test_every_size(stage: Stage) -> None:
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("o")
        await stage.wait(pilot, "2 others")
        for size in ((40, 10), (200, 60), (41, 50), (300, 11), (12, 3), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert isinstance(stage.app.screen, OverTime)
        await stage.wait(pilot, "2 others")


async def test_hostile_names_are_shown_safely(stage: Stage) -> None:
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "812,000 /")
        for text in HOSTILE.values():
            if text == HOSTILE["surrogate"]:
                continue
            stage.observer.ledger.write_bytes(line(text, 5000, 5, model=text, timestamp=NOW))
            stage.app.action_over_time()
            await stage.wait(pilot, "100.0%")
            check(stage)
            stage.app.pop_screen()
            stage.observer.ledger.unlink()


@pytest.mark.parametrize("key", ["o", "enter"])
async def test_a_ledger_that_cannot_be_read_any_more_is_told(stage: Stage, key: str) -> None:
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press(key)
        await stage.wait(pilot, lambda: len(stage.app.screen_stack) == 2)
        stage.take(msgspec.structs.replace(stage.observer.view, ledger_trouble="no permission"))
        await stage.wait(pilot, "no permission")


async def test_a_page_that_is_closed_while_it_opens_draws_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("o")
        await stage.wait(pilot, "Nothing was used in this time.")
        page = stage.app.screen
        assert isinstance(page, OverTime)
        await page.query_one(TimeChart).remove()
        page.on_mount()


@pytest.mark.parametrize("odd", [line("odd", 7, 0, timestamp=0), encode(Reset(0, "r1"))], ids=["call", "reset"])
async def test_a_line_of_1970_does_not_stretch_the_chart(stage: Stage, odd: bytes) -> None:
    with stage.observer.ledger.open("ab") as file:
        file.write(odd)
    shown = stage.observer.view
    if b"reset" in odd:
        shown = msgspec.structs.replace(shown, snapshot=msgspec.structs.replace(shown.snapshot, since=0.0))
    stage.observer.view = shown
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("o")
        await stage.wait(pilot, "since 2025-12-31")
        assert "1970" not in stage.text


@pytest.mark.parametrize(("days", "words"), [(1, "23:14"), (8, "11-14 23:14"), (200, "11-14"), (400, "2023-11-14")])
def test_a_long_axis_shows_years(days: int, words: str) -> None:
    assert moment(1_700_000_040 + 3600 - utc_offset(1_700_000_040), days * 86_400) == words

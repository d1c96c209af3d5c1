"""Every key and click, and what they do."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.events import MouseScrollDown

from budgauge.errors import LedgerWriteError, ResetError, SourceError
from budgauge.monitor import app
from budgauge.monitor.app import MonitorApp
from budgauge.monitor.collection import RETRY_TICKS
from budgauge.monitor.order import ORDERS, order_words
from budgauge.monitor.preferences import Preferences
from budgauge.monitor.rows import Row
from budgauge.monitor.widgets.agent_table import AgentTable, Cell
from monitor.stage import NOW, Stage, view
from usage import line

MANY = tuple((f"agent-{number:03}", "gpt-4", 1_000_000 - number * 1000) for number in range(100))


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, view(limits={"coder": 700_000}))


@pytest.fixture
def many(tmp_path: Path) -> Stage:
    return Stage(tmp_path, view(MANY, budget=0))


def under_cursor(stage: Stage) -> str:
    row = stage.app.screen_stack[0].query_one(AgentTable).current
    assert row is not None
    return row.key


async def test_q_quits(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("q")
        await stage.wait(pilot, lambda: stage.app._exit)


async def test_reset_asks_what_and_no_is_focused(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("r")
        await stage.wait(pilot, "Set all counters back to zero?")
        for fact in ("812,000", "agents  3", "the first record", "$22.86"):
            assert fact in stage.text
        assert stage.app.screen.focused is not None
        assert stage.app.screen.focused.id == "no"
        await pilot.press("enter")
        await stage.wait(pilot, lambda: len(stage.app.screen_stack) == 1)
        assert stage.observer.resets == 0


@pytest.mark.parametrize("key", ["n", "escape"])
async def test_no_resets_nothing(stage: Stage, key: str) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("r", key)
        await stage.wait(pilot, lambda: len(stage.app.screen_stack) == 1)
        assert stage.observer.resets == 0


@pytest.mark.parametrize("keys", [("y",), ("tab", "enter"), ("right", "enter")])
async def test_yes_resets_and_says_how_to_undo(stage: Stage, keys: tuple[str, ...]) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("r", *keys)
        await stage.wait(pilot, lambda: stage.observer.resets == 1)
        await stage.wait(pilot, "› Reset 812,000 tokens. u undoes it.")


async def test_a_click_on_yes_resets(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("r")
        await pilot.click("#yes")
        await stage.wait(pilot, lambda: stage.observer.resets == 1)


async def test_nothing_used_is_not_reset(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(()))
    async with stage.run() as pilot:
        await stage.wait(pilot, "0 / 1,000,000")
        await pilot.press("r")
        await stage.wait(pilot, "there is nothing to reset")
        assert len(stage.app.screen_stack) == 1


async def test_u_undoes_at_once(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("u")
        await stage.wait(pilot, lambda: stage.observer.undone == 1)
        await stage.wait(pilot, "› The last reset is undone.")


@pytest.mark.parametrize("error", [ResetError("There is no reset to undo."), LedgerWriteError("[/disk] full \x1b[2J")])
async def test_errors_are_shown(stage: Stage, error: ResetError | LedgerWriteError) -> None:
    stage.observer.fails = error
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("u")
        await stage.wait(pilot, "■ " + str(error)[:8])
        assert "\x1b" not in stage.text
        await pilot.pause()
        assert "812,000 / 1,000,000" in stage.text


async def test_one_change_at_a_time(stage: Stage) -> None:
    stage.observer.may_reset.clear()
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("r", "y", "u")
        await stage.wait(pilot, "still waiting for the ledger")
        stage.observer.may_reset.set()
        await stage.wait(pilot, lambda: stage.observer.resets == 1)
        assert stage.observer.undone == 0


async def test_the_question_keeps_up_with_what_is_used(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("r")
        await stage.wait(pilot, "Set all counters back to zero?")
        stage.take(view((("coder", "gpt-4", 900_123),)))
        await stage.wait(pilot, "tokens  900,123")
        assert "agents  1" in stage.text
        await pilot.press("y")
        await stage.wait(pilot, "› Reset 900,123 tokens. u undoes it.")


async def test_waiting_for_the_lock_is_said_and_holds_up_nothing(stage: Stage) -> None:
    stage.observer.may_reset.clear()
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("r", "y")
        await stage.wait(pilot, "› Waiting for the ledger's lock")
        waiting = [thread for thread in threading.enumerate() if thread.name == "budgauge-ledger"]
        assert [thread.daemon for thread in waiting] == [True]
        stage.observer.may_reset.set()
        await stage.wait(pilot, "› Reset 812,000 tokens.")
        assert "Waiting for" not in stage.text


async def test_collecting_is_switched_and_remembered(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("c")
        await stage.wait(pilot, "collecting, 12 calls")
        assert Preferences(stage.preferences.path).choices.collecting
        await pilot.press("c")
        await stage.wait(pilot, lambda: "collecting, 12 calls" not in stage.text)
        assert not Preferences(stage.preferences.path).choices.collecting


async def test_collecting_begins_if_it_was_on(tmp_path: Path) -> None:
    Preferences(tmp_path / "preferences.json").choose(collecting=True)
    stage = Stage(tmp_path, view())
    async with stage.run() as pilot:
        await stage.wait(pilot, "collecting, 12 calls")


async def test_collect_option_is_not_remembered(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(), collect=True)
    async with stage.run() as pilot:
        await stage.wait(pilot, "collecting, 12 calls")
    assert not Preferences(tmp_path / "preferences.json").choices.collecting


async def test_another_collector_shows_as_trouble(stage: Stage) -> None:
    stage.collector.fails = SourceError("another collector runs")
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("c")
        await stage.wait(pilot, "Collecting: another collector runs")


async def test_a_refused_collector_is_tried_again_quietly(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only the ticks of the test count.
    monkeypatch.setattr(app, "TICK_SECONDS", 1e6)
    stage.collector.fails = SourceError("another collector runs")
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("c")
        await stage.wait(pilot, "Collecting: another collector runs")
        stage.collector.fails = None
        for _ in range(RETRY_TICKS):
            assert "Collecting: another collector runs" in stage.text
            stage.app._second_passed()
        await stage.wait(pilot, "collecting, 12 calls")
        assert "another collector runs" not in stage.text


async def test_c_gives_up_a_collector_that_is_refused(stage: Stage) -> None:
    stage.collector.fails = SourceError("another collector runs")
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("c")
        await stage.wait(pilot, "Collecting: another collector runs")
        await pilot.press("c")
        await stage.wait(pilot, lambda: "another collector runs" not in stage.text)
        assert not Preferences(stage.preferences.path).choices.collecting


async def test_collecting_follows_the_ledger(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(), collect=True)
    async with stage.run() as pilot:
        await stage.wait(pilot, "collecting, 12 calls")
        stage.collector.moved = True
        await stage.wait(pilot, lambda: stage.collector.starts == 2)
        assert not stage.collector.moved


async def test_the_demo_collects_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(), collector=None, remark=lambda: "Nothing here is real.")
    async with stage.run() as pilot:
        await stage.wait(pilot, "DEMO")
        assert "Nothing here is real." in stage.text
        assert "Collect" not in stage.text.splitlines()[-1]
        await pilot.press("c")
        await stage.wait(pilot, "Nothing is collected here")


async def test_ctrl_c_ends_it(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("ctrl+c")
        await stage.wait(pilot, lambda: stage.app._exit)


async def test_a_pause_hides_no_alarm(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("p")
        stage.take(view((("coder", "gpt-4", 1_200_000),)))
        await stage.wait(pilot, "Total budget exceeded: 200,000 tokens over")
        assert "812,000 /" in stage.text


async def test_pause_freezes_and_goes_on_with_what_is_true(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("p")
        await stage.wait(pilot, "PAUSED")
        stage.take(view((("coder", "gpt-4", 5),)))
        await pilot.pause()
        assert "812,000 /" in stage.text
        await pilot.press("p")
        await stage.wait(pilot, "5 / 1,000,000")
        assert "PAUSED" not in stage.text


async def test_theme_is_next_and_remembered(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("t")
        await stage.wait(pilot, lambda: Preferences(stage.preferences.path).choices.theme == "budgauge-light")


async def test_help_tells_every_key(stage: Stage) -> None:
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("question_mark")
        await stage.wait(pilot, "Esc closes")
        for binding in (*MonitorApp.BINDINGS, *AgentTable.BINDINGS):
            assert isinstance(binding, Binding)
            assert binding.id
            assert binding.tooltip in stage.text
        await pilot.press("escape")
        await stage.wait(pilot, lambda: len(stage.app.screen_stack) == 1)


async def test_what_was_read_of_agents_logs_is_told(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("l")
        await stage.wait(pilot, "  3 duplicates skipped")
        await pilot.press("escape")
        await stage.wait(pilot, lambda: len(stage.app.screen_stack) == 1)


async def test_palette_opens(stage: Stage) -> None:
    async with stage.run(100, 40) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("ctrl+p", *"undo")
        await stage.wait(pilot, "Undo the last reset, at once")


async def test_cursor_moves(many: Stage) -> None:
    async with many.run() as pilot:
        await many.wait(pilot, "agent-000")
        for key, expected in (
            ("down", 1), ("j", 2), ("k", 1), ("up", 0), ("up", 0), ("end", 99), ("down", 99), ("home", 0),
        ):  # fmt: skip
            await pilot.press(key)
            assert under_cursor(many) == f"agent-{expected:03}"
            await many.wait(pilot, f"agent-{expected:03}")
        await pilot.press("pagedown", "pagedown")
        assert 4 < int(under_cursor(many)[6:]) < 30
        await many.wait(pilot, under_cursor(many))
        await pilot.press("pageup", "pageup")
        assert under_cursor(many) == "agent-000"


async def test_cursor_stays_on_its_agent(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("down")
        assert under_cursor(stage) == "reviewer"
        stage.take(view((("new", "gpt-4", 900_000), ("reviewer", "gpt-4", 1), ("coder", "gpt-4", 2))))
        await stage.wait(pilot, "900,003 /")
        assert under_cursor(stage) == "reviewer"
        stage.take(view((("new", "gpt-4", 7),)))
        await stage.wait(pilot, "7 /")
        assert under_cursor(stage) == "new"


async def test_click_and_wheel(many: Stage) -> None:
    async with many.run() as pilot:
        await many.wait(pilot, "agent-002")
        await pilot.click(AgentTable, offset=(5, 3))
        assert under_cursor(many) == "agent-002"
        await pilot.click(AgentTable, offset=(5, 0))
        assert under_cursor(many) == "agent-002"
        table = many.app.screen.query_one(AgentTable)
        await pilot._post_mouse_events([MouseScrollDown], AgentTable, offset=(5, 3))
        await many.wait(pilot, lambda: table.scroll_offset.y > 0)
        await pilot.click(AgentTable, offset=(5, 1))
        assert under_cursor(many) == f"agent-{table.scroll_offset.y:03}"


async def test_footer_keys_are_clicked(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        last = stage.text.splitlines()[-1]
        await pilot.click("KeyLine", offset=(last.index("Filter"), 0))
        await stage.wait(pilot, "Filter by name; Esc clears")
        await pilot.click("KeyLine", offset=(last.index("? Help"), 0))
        await stage.wait(pilot, "Esc closes")


@pytest.mark.parametrize("columns", [40, 60, 80])
async def test_help_is_always_in_the_footer(stage: Stage, columns: int) -> None:
    async with stage.run(columns, 12) as pilot:
        await stage.wait(pilot, "812,000 /")
        assert stage.text.splitlines()[-1].rstrip().endswith("? Help")


def test_a_bad_preferences_file_is_a_notice(tmp_path: Path) -> None:
    path = tmp_path / "preferences.json"
    path.write_bytes(b'{"theme": 3')
    preferences = Preferences(path)
    assert preferences.choices.theme == "budgauge-dark"
    assert preferences.notice
    assert str(path) in preferences.notice


def test_fields_of_other_versions_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "preferences.json"
    path.write_text('{"newer": "cost", "theme": "nord"}')
    Preferences(path).choose(collecting=True)
    written = json.loads(path.read_text())
    assert (written["newer"], written["theme"], written["collecting"]) == ("cost", "nord", True)


def test_preferences_that_cannot_be_written_are_a_notice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    preferences = Preferences(tmp_path / "file" / "preferences.json")
    preferences.choose(theme="nord")
    assert preferences.choices.theme == "nord"
    assert preferences.notice


async def test_an_unknown_theme_is_ours(tmp_path: Path) -> None:
    Preferences(tmp_path / "preferences.json").choose(theme="no such theme")
    assert Stage(tmp_path, view()).app.theme == "budgauge-dark"


FAMILIES = (("team/a", "gpt-4", 300), ("team/b", "gpt-4", 200), ("solo", "in-house", 400))


@pytest.fixture
def families(tmp_path: Path) -> Stage:
    return Stage(tmp_path, view(FAMILIES, limits={"team/b": 250, "solo": 4000}))


def names(stage: Stage) -> list[str]:
    return [row.key for row in stage.app.screen_stack[0].query_one(AgentTable).rows]


async def test_s_sorts_by_the_next_order_and_is_remembered(families: Stage) -> None:
    async with families.run() as pilot:
        await families.wait(pilot, "900 /")
        assert names(families) == ["team/*", "team/a", "team/b", "solo"]
        await pilot.press("s")
        await families.wait(pilot, "› Sorted by share of the limit.")
        assert "by share of the limit ─" in families.text
        assert names(families) == ["solo", "team/*", "team/b", "team/a"]
        await pilot.press("S")
        await families.wait(pilot, "› Sorted by share of the limit, reversed.")
        assert names(families) == ["team/*", "team/a", "team/b", "solo"]
        choices = Preferences(families.preferences.path).choices
        assert (choices.order, choices.reverse) == ("share", True)
    again = Stage(families.folder, families.observer.view)
    async with again.run() as pilot:
        await again.wait(pilot, "by share of the limit, reversed")


async def test_every_order_comes_round(families: Stage) -> None:
    async with families.run() as pilot:
        await families.wait(pilot, "900 /")
        for order in (*ORDERS[1:], ORDERS[0]):
            await pilot.press("s")
            await families.wait(pilot, f"› Sorted by {order_words(order)}.")


async def test_a_remembered_order_of_another_version_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "preferences.json").write_text('{"order": "moon"}')
    stage = Stage(tmp_path, view())
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        assert stage.app.screen.query_one(AgentTable).order == "used"


async def test_a_click_on_a_head_sorts_and_again_reverses(families: Stage) -> None:
    async with families.run(120, 30) as pilot:
        await families.wait(pilot, "↓used")
        head = next(line for line in families.lines() if "↓used" in line)
        table = families.app.screen.query_one(AgentTable)
        x = head.index("cost") - table.region.x
        await pilot.click(AgentTable, offset=(x, 0))
        await families.wait(pilot, "↓cost")
        assert (table.order, table.reverse) == ("cost", False)
        await pilot.click(AgentTable, offset=(x, 0))
        await families.wait(pilot, "↑cost")
        assert table.reverse
        await pilot.click(AgentTable, offset=(3, 0))
        await families.wait(pilot, "Sorted by name")
        assert names(families) == ["solo", "team/*", "team/a", "team/b"]


async def test_filter_as_you_type(families: Stage) -> None:
    async with families.run() as pilot:
        await families.wait(pilot, "900 /")
        await pilot.press("slash", "B", "space", "e")
        await families.wait(pilot, "1 of 3 agents")
        assert names(families) == ["team/*", "team/b"]
        await pilot.press("enter", "down")
        assert under_cursor(families) == "team/b"
        await pilot.press("slash", "x")
        await families.wait(pilot, "No agent's name has this in it. Esc clears the filter.")
        await pilot.press("escape")
        await families.wait(pilot, lambda: len(names(families)) == 4)
        assert not families.app.screen.query("FilterLine")
        await pilot.press("slash", "a", "enter", "escape")
        await families.wait(pilot, lambda: len(names(families)) == 4)
        assert isinstance(families.app.focused, AgentTable)


async def test_families_fold_by_key_and_click(families: Stage) -> None:
    async with families.run() as pilot:
        await families.wait(pilot, "▾ team/*")
        await pilot.press("space")
        await families.wait(pilot, "▸ team/*")
        assert names(families) == ["team/*", "solo"]
        await pilot.press("right")
        assert len(names(families)) == 4
        await pilot.press("down", "left")
        assert under_cursor(families) == "team/*"
        await pilot.press("left")
        assert len(names(families)) == 2
        await pilot.click(AgentTable, offset=(2, 1))
        assert len(names(families)) == 4
        families.app.screen.query_one(AgentTable).fold_all(folded=True)
        assert names(families) == ["team/*", "solo"]


@pytest.mark.parametrize("by", ["enter", "click", "palette", "footer"])
async def test_details_open(families: Stage, by: str) -> None:
    families.observer.ledger.write_bytes(line("team/a", 300, 0, timestamp=NOW, id="1") * 2)
    async with families.run(100, 40) as pilot:
        await families.wait(pilot, "900 /")
        await pilot.press("down")
        if by == "enter":
            await pilot.press("enter")
        elif by == "click":
            await pilot.click(AgentTable, offset=(8, 2), times=2)
        elif by == "footer":
            await pilot.click("KeyLine", offset=(families.text.splitlines()[-1].index("Details"), 0))
        else:
            await pilot.press("ctrl+p", *"details", "enter")
        await families.wait(pilot, "1 duplicate skipped")
        for shown in ("team/a", "1 line of the ledger counted", "the last call", "by model", "of everyone's 33.3%"):
            assert shown in families.text
        assert "gpt-4, 1 call: input $30, cached $30, output $60 a million ([token_budget.prices])" in families.text
        await pilot.press("escape")
        await families.wait(pilot, lambda: len(families.app.screen_stack) == 1)


async def test_details_of_a_family_and_what_holds_an_agent(families: Stage) -> None:
    async with families.run(100, 40) as pilot:
        await families.wait(pilot, "900 /")
        await pilot.press("enter")
        await families.wait(pilot, "0 lines of the ledger counted")
        assert "of everyone's 55.6%" in families.text
        await pilot.press("escape", "down", "down", "enter")
        await families.wait(pilot, "200 / 250")
        assert "900 / 1,000,000" in families.text


async def test_details_keep_up_and_read_on(families: Stage) -> None:
    async with families.run(100, 40) as pilot:
        await families.wait(pilot, "900 /")
        await pilot.press("down", "enter")
        await families.wait(pilot, "0 lines of the ledger counted")
        families.observer.ledger.write_bytes(line("team/a", 1234, 0, timestamp=NOW))
        families.take(view((*FAMILIES, ("team/a", "gpt-4", 1234)), limits={"team/b": 250}))
        await families.wait(pilot, "used 1,534")
        await families.wait(pilot, "1 line of the ledger counted")
        families.take(view((("solo", "gpt-4", 7),)))
        await families.wait(pilot, "7 / 1,000,000")


async def test_a_ledger_that_cannot_be_read_is_told_in_details(families: Stage) -> None:
    families.observer.ledger.mkdir()
    async with families.run(100, 40) as pilot:
        await families.wait(pilot, "900 /")
        await pilot.press("enter")
        await families.wait(
            pilot, lambda: "is a folder, not a ledger file" in " ".join(families.text.replace("│", "").split())
        )


async def test_one_agent_is_reset(families: Stage) -> None:
    async with families.run() as pilot:
        await families.wait(pilot, "900 /")
        await pilot.press("R")
        await families.wait(pilot, "A family is reset agent by agent")
        await pilot.press("down", "R")
        await families.wait(pilot, "Set this agent's counters back to zero?")
        for fact in ("agent   team/a", "tokens  300", "calls   1", "cost    $9.00"):
            assert fact.replace("$9.00", "$0.0090") in families.text
        await pilot.press("y")
        await families.wait(pilot, "› Reset 300 tokens of team/a. u undoes it.")
        assert families.observer.reset_agents == ["team/a"]


async def test_an_agent_is_reset_from_its_details(families: Stage) -> None:
    async with families.run() as pilot:
        await families.wait(pilot, "900 /")
        await pilot.press("end", "enter")
        await families.wait(pilot, "limits")
        await pilot.press("R", "y")
        await families.wait(pilot, lambda: families.observer.reset_agents == ["solo"])


async def test_an_agent_that_used_nothing_is_not_reset(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(limits={"idle": 5}))
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press("end", "R")
        await stage.wait(pilot, "there is nothing to reset")


async def test_y_copies_the_row_in_full_numbers(families: Stage) -> None:
    async with families.run() as pilot:
        await families.wait(pilot, "900 /")
        await pilot.press("end", "y")
        await families.wait(pilot, "› Copied: solo: 400 tokens used")
        assert families.app.clipboard == "solo: 400 tokens used, 10.0% of 4,000, 1 call, unknown"


async def test_keys_about_the_table_do_nothing_where_it_is_not_seen(families: Stage) -> None:
    async with families.run() as pilot:
        await families.wait(pilot, "900 /")
        await pilot.press("enter")
        await families.wait(pilot, "limits")
        await pilot.press("s", "slash", "enter", "o")
        await pilot.pause()
        assert len(families.app.screen_stack) == 2
        assert families.app.screen_stack[0].query_one(AgentTable).order == "used"


@pytest.mark.parametrize("key", ["question_mark", "l"])
async def test_a_click_beside_a_box_closes_it(stage: Stage, key: str) -> None:
    async with stage.run(100, 50) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.press(key)
        await stage.wait(pilot, "Esc closes")
        await pilot.click(offset=(50, 25))
        assert len(stage.app.screen_stack) == 2
        await pilot.click(offset=(1, 1))
        await stage.wait(pilot, lambda: len(stage.app.screen_stack) == 1)


async def test_the_palette_has_every_action(stage: Stage) -> None:
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        offered = {command.title: command for command in stage.app.get_system_commands(stage.app.screen)}
        for binding in MonitorApp.BINDINGS:
            assert isinstance(binding, Binding)
            assert binding.description in offered or binding.action in ("quit", "next_theme")
        offered["Sort by cost"].callback()
        await stage.wait(pilot, "› Sorted by cost.")


async def test_of_thousands_only_what_is_seen_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = tuple((f"team-{number % 40}/agent-{number:04}", "gpt-4", 10_000 - number) for number in range(3000))
    stage = Stage(tmp_path, view(calls, budget=0))
    drawn: list[str] = []
    draw = AgentTable._row

    def noted(self: AgentTable, row: Row, *, under_cursor: bool) -> list[Cell]:
        drawn.append(row.key)
        return draw(self, row, under_cursor=under_cursor)

    monkeypatch.setattr(AgentTable, "_row", noted)
    async with stage.run(120, 40) as pilot:
        await stage.wait(pilot, "3,000 agents")
        drawn.clear()
        stage.take(view(((calls[0][0], "gpt-4", 11_000), *calls[1:]), budget=0))
        await stage.wait(pilot, lambda: bool(drawn))
        await pilot.pause()
        lines = stage.app.screen.query_one(AgentTable).size.height
        assert len(set(drawn)) <= lines
        assert len(drawn) <= 3 * lines
        await pilot.press("end")
        await stage.wait(pilot, "agent-2999")


@pytest.mark.parametrize(("columns", "lines"), [(1, 1), (20, 3), (40, 1), (100, 5)])
async def test_the_palette_at_any_size(stage: Stage, columns: int, lines: int) -> None:
    async with stage.run(80, 24) as pilot:
        await stage.wait(pilot, "812,000 /")
        await pilot.resize_terminal(columns, lines)
        await pilot.press("ctrl+p")
        await pilot.pause(0.2)
        await pilot.press("pageup", "pagedown", "down", "up", "home", "end", "pagedown", "escape")
        await pilot.resize_terminal(80, 24)
        await stage.wait(pilot, "812,000 /")

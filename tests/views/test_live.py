"""Config and ledger together: the latest of both, the last good config, never an exception."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from budgauge.config import load as config_load
from budgauge.config.load import Options
from budgauge.errors import ConfigError, PriceError, ResetError
from budgauge.tracker.tracker import TokenBudgetTracker
from budgauge.views import live as observer_module
from budgauge.views.live import NOTICE_SECONDS, SETTLE_SECONDS, Observer, View
from clock import Clock
from usage import line

BUDGET = "[token_budget]\ntotal_budget = {}\n"


@pytest.fixture
def config(own_place: Path) -> Path:
    """The user's config, with a budget of 100 and a limit."""
    path = own_place / ".codex" / "config.toml"
    path.parent.mkdir()
    path.write_text(BUDGET.format(100) + "per_agent_limits = {a = 50}\n")
    return path


@pytest.fixture
def ledger(config: Path) -> Path:
    return config.parent / "token_usage.jsonl"


@pytest.fixture
def observer(config: Path, clock: Clock) -> Observer:
    return Observer(monotonic=clock, lookup=False)


def settled(observer: Observer, clock: Clock) -> View:
    """What is seen once files that changed have stayed still."""
    observer.look()
    clock.now += SETTLE_SECONDS
    return observer.look()


def test_usage_is_seen_as_it_comes(observer: Observer, ledger: Path) -> None:
    assert not observer.look().ledger_exists
    ledger.write_bytes(line("a", 40, 0))
    view = observer.look()
    assert (view.snapshot.total_used, view.snapshot.total_budget, view.ledger_exists) == (40, 100, True)
    assert (view.snapshot.ledger, observer.loaded.found) == (str(ledger), (ledger.with_name("config.toml"),))


def test_a_glance_differs_once_there_is_more(observer: Observer, ledger: Path) -> None:
    ledger.write_bytes(line())
    observer.look()
    before = observer.glance()
    assert observer.glance() == before
    with ledger.open("ab") as file:
        file.write(line())
    assert observer.glance() != before


def test_the_same_view_comes_back_where_nothing_changed(observer: Observer, ledger: Path, clock: Clock) -> None:
    ledger.write_bytes(line())
    settled(observer, clock)
    view = observer.look()
    assert observer.look() is view
    with ledger.open("ab") as file:
        file.write(line())
    assert observer.look() is not view


def test_a_changed_config_is_taken_over_once_it_stays_still(observer: Observer, config: Path, clock: Clock) -> None:
    settled(observer, clock)
    config.write_text(BUDGET.format(7))
    assert observer.look().config.total_budget == 100
    clock.now += SETTLE_SECONDS / 2
    config.write_text(BUDGET.format(77))
    assert observer.look().config.total_budget == 100
    clock.now += SETTLE_SECONDS / 2
    assert observer.look().config.total_budget == 100
    clock.now += SETTLE_SECONDS / 2
    view = observer.look()
    assert (view.config.total_budget, view.snapshot.total_budget) == (77, 77)


def test_a_change_between_reading_and_the_first_look_is_not_missed(
    config: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = config_load.load

    def changed_just_after(options: Options, **places: object) -> object:
        loaded = load(options, **places)  # type: ignore[arg-type]  # passed through
        config.write_text(BUDGET.format(5))
        return loaded

    monkeypatch.setattr(observer_module, "load", changed_just_after)
    observer = Observer(monotonic=clock, lookup=False)
    assert settled(observer, clock).config.total_budget == 5


WRONG = ["[token_budget]\ntotal_budget = -1\n", "[token_bud", '[token_budget]\ntotal_budget = "', "x = 1\nx = 2\n"]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_config_keeps_the_last_good_one_and_says_why(
    observer: Observer, config: Path, clock: Clock, text: str
) -> None:
    config.write_text(text)
    view = settled(observer, clock)
    assert (view.config.total_budget, view.config.per_agent_limits) == (100, {"a": 50})
    assert view.config_trouble is not None
    assert str(config) in view.config_trouble
    config.write_text(BUDGET.format(8))
    view = settled(observer, clock)
    assert (view.config.total_budget, view.config_trouble) == (8, None)


def emptied(config: Path) -> None:
    config.write_bytes(b"")


def without_folder(config: Path) -> None:
    shutil.rmtree(config.parent)


def without_table(config: Path) -> None:
    """As an editor leaves it that has written the first half of a file."""
    config.write_text('model = "x"\n')


def without_keys(config: Path) -> None:
    config.write_text("[token_budget]\n")


def renamed(config: Path) -> None:
    config.rename(config.with_suffix(".bak"))


@pytest.mark.parametrize("lose", [os.unlink, emptied, without_folder, without_table, without_keys, renamed])
def test_a_config_that_is_gone_keeps_the_last_good_one(
    observer: Observer, config: Path, clock: Clock, lose: Callable[[Path], None]
) -> None:
    lose(config)
    view = settled(observer, clock)
    assert (view.config.total_budget, view.config.per_agent_limits) == (100, {"a": 50})
    assert view.config_trouble is not None
    assert "no longer holds the budget" in view.config_trouble
    config.parent.mkdir(exist_ok=True)
    config.write_text(BUDGET.format(8))
    assert settled(observer, clock).config_trouble is None
    assert observer.look().config.total_budget == 8


def test_a_config_that_moved_to_its_other_name_is_no_trouble(observer: Observer, config: Path, clock: Clock) -> None:
    os.rename(config, config.with_name("token_budget.toml"))
    view = settled(observer, clock)
    assert (view.config.total_budget, view.config_trouble) == (100, None)
    assert observer.loaded.found == (config.with_name("token_budget.toml"),)


def test_a_ledger_that_cannot_be_read_keeps_its_numbers_under_another_config(
    observer: Observer, config: Path, ledger: Path, clock: Clock
) -> None:
    ledger.write_bytes(line())
    assert observer.look().snapshot.total_used == 15
    kept = ledger.rename(ledger.with_name("kept.jsonl"))
    ledger.mkdir()
    prices = '[token_budget.prices."gpt-4"]\nprompt_per_1k = 1\ncompletion_per_1k = 1\n'
    config.write_text(BUDGET.format(6000) + prices)
    view = settled(observer, clock)
    assert view.ledger_trouble is not None
    assert (view.snapshot.total_budget, view.snapshot.total_used) == (6000, 15)
    ledger.rmdir()
    kept.rename(ledger)
    view = observer.look()
    assert (view.ledger_trouble, view.snapshot.total_used) == (None, 15)
    assert view.snapshot.cost.total_usd == Decimal("0.015")


def test_atomic_replaces_and_partial_writes_never_leave_us_without_a_limit(
    observer: Observer, config: Path, clock: Clock
) -> None:
    chance = random.Random(5)
    expected = 100
    for budget in range(1, 201):
        text = BUDGET.format(budget) + "per_agent_limits = {a = 50}\n"
        if chance.random() < 0.5:
            config.with_suffix(".tmp").write_text(text)
            os.replace(config.with_suffix(".tmp"), config)
        else:
            for end in (0, chance.randrange(len(text)), len(text)):
                config.write_text(text[:end])
                view = observer.look()
                assert (view.config.total_budget, view.config.per_agent_limits) == (expected, {"a": 50})
        assert settled(observer, clock).config.total_budget == budget
        expected = budget


def test_a_wrong_config_at_the_start_is_an_error(config: Path) -> None:
    config.write_text(WRONG[0])
    with pytest.raises(ConfigError):
        Observer(lookup=False)


def test_another_ledger_named_in_the_config(observer: Observer, config: Path, ledger: Path, clock: Clock) -> None:
    ledger.write_bytes(line())
    assert observer.look().snapshot.total_used == 15
    ledger.with_name("other.jsonl").write_bytes(line("b", 1, 1))
    config.write_text('[token_budget]\nledger = "other.jsonl"\n')
    assert settled(observer, clock).snapshot.agent_totals == {"b": 2}


def test_unknown_keys_are_noticed(observer: Observer, config: Path, clock: Clock) -> None:
    config.write_text("[token_budget]\ntotal_budgt = 5\n")
    view = settled(observer, clock)
    assert view.config_trouble is not None
    assert "did you mean total_budget?" in view.config_trouble
    assert view.config.total_budget == 100


def test_a_replaced_ledger_is_noticed_for_a_while(observer: Observer, ledger: Path, clock: Clock) -> None:
    ledger.write_bytes(line() * 2)
    observer.look()
    ledger.write_bytes(line("new"))
    view = observer.look()
    assert view.snapshot.agent_totals == {"new": 15}
    assert any("read afresh" in notice for notice in view.notices)
    clock.now += NOTICE_SECONDS
    assert observer.look().notices == ()


@pytest.mark.parametrize("obstacle", [Path.mkdir, os.mkfifo])
def test_a_ledger_that_cannot_be_read_is_said_and_recovers(
    observer: Observer, ledger: Path, obstacle: Callable[[Path], None]
) -> None:
    obstacle(ledger)
    view = observer.look()
    assert view.ledger_trouble is not None
    assert "not a ledger file" in view.ledger_trouble
    ledger.rmdir() if ledger.is_dir() else ledger.unlink()
    ledger.write_bytes(line())
    view = observer.look()
    assert (view.ledger_trouble, view.snapshot.total_used) == (None, 15)


def test_what_is_known_stays_on_screen_while_the_ledger_cannot_be_read(
    observer: Observer, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.write_bytes(line())
    observer.look()

    def fail(*_args: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        view = observer.look()
    assert (view.snapshot.total_used, view.ledger_trouble is None) == (15, False)


def test_faults_are_seen(observer: Observer, ledger: Path) -> None:
    ledger.write_bytes(line() + b"nonsense\n")
    (problem,) = observer.look().snapshot.problems
    assert (problem.kind, problem.count) == ("set_aside", 1)
    assert f"byte {len(line())}" in problem.message


def test_a_removed_working_directory_stops_nothing(config: Path, own_place: Path, clock: Clock) -> None:
    (own_place / "gone").mkdir()
    os.chdir(own_place / "gone")
    observer = Observer(monotonic=clock, lookup=False)
    (own_place / "gone").rmdir()
    config.write_text(BUDGET.format(9))
    assert settled(observer, clock).config.total_budget == 9


def test_reset_and_undo(observer: Observer, ledger: Path) -> None:
    ledger.write_bytes(line())
    reset_id = observer.reset()
    assert (observer.look().snapshot.total_used, observer.look().snapshot.reset_id) == (0, reset_id)
    assert observer.undo_reset() == reset_id
    assert observer.look().snapshot.total_used == 15
    with pytest.raises(ResetError):
        observer.undo_reset()


def test_folders_to_watch_are_those_that_exist(observer: Observer, config: Path) -> None:
    assert observer.folders() == (config.parent,)


def test_prices_are_looked_up_beside_and_then_kept(config: Path, ledger: Path, tmp_path: Path) -> None:
    ledger.write_bytes(line(prompt=100_000, completion=0, model="gemini-2.5-pro") + line(prompt=1, model="no-such"))
    observer = Observer(cache=tmp_path)
    assert observer.look().snapshot.cost.total_usd is None
    deadline = time.monotonic() + 30
    while observer.look().snapshot.cost.total_usd is None:
        assert time.monotonic() < deadline
    assert observer.look().snapshot.cost.total_usd == Decimal("0.125")
    again = Observer(cache=tmp_path, lookup=False)
    assert again.look().snapshot.cost == observer.look().snapshot.cost


def test_tiers_are_right_after_the_lookup(config: Path, ledger: Path, tmp_path: Path) -> None:
    ledger.write_bytes(line(prompt=300_000, completion=0, model="gemini-2.5-pro") * 2)
    observer = Observer(cache=tmp_path, lookup=False)
    observer.look()
    observer.resolve_prices()
    assert observer.look().snapshot.cost.total_usd == Decimal("1.5")


def test_a_lookup_that_fails_is_noticed_and_prices_stay_unknown(
    config: Path, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_models: object) -> None:
        raise PriceError("no table")

    monkeypatch.setattr(observer_module, "lookup_in_child", fail)
    ledger.write_bytes(line())
    observer = Observer(cache=tmp_path)
    deadline = time.monotonic() + 30
    while not observer.look().notices:
        assert time.monotonic() < deadline
    view = observer.look()
    assert view.notices == ("Prices could not be looked up: no table",)
    assert (view.snapshot.cost.total_usd, view.snapshot.cost.unpriced_tokens) == (None, 15)


def test_a_ledger_left_at_the_other_default_place_is_told(own_place: Path) -> None:
    TokenBudgetTracker.open().report_usage("a", "gpt-4", 10, 5)
    (own_place / ".codex").mkdir()
    view = Observer(lookup=False).look()
    assert view.snapshot.total_used == 0
    (notice,) = view.notices
    assert "another ledger, " in notice
    assert str(own_place / ".local/share/budgauge/token_usage.jsonl") in notice


def test_a_hold_that_ends_shows_though_no_line_is_added(config: Path, ledger: Path, clock: Clock) -> None:
    observer = Observer(monotonic=clock, clock=clock, lookup=False)
    TokenBudgetTracker(ledger=ledger, now=clock).reserve("a", 30, 60)
    assert observer.look().snapshot.reserved == 30
    clock.now += 59
    assert observer.look().snapshot.reserved == 30
    clock.now += 1
    view = observer.look()
    assert view.snapshot.reserved == 0
    assert observer.look() is view
    clock.now -= 10
    assert observer.look().snapshot.reserved == 30, "the clock was put back"


def test_a_cycle_begins_though_no_line_is_added(config: Path, ledger: Path, clock: Clock) -> None:
    config.write_text(BUDGET.format(100) + "cycle.period = 'daily'\n")
    observer = Observer(monotonic=clock, clock=clock, lookup=False)
    midnight = clock.now
    ledger.write_bytes(line("a", 40, 0, timestamp=midnight) + line("a", 7, 0, timestamp=midnight - 1))
    snapshot = observer.look().snapshot
    assert (snapshot.total_used, snapshot.since) == (40, midnight)
    assert [(row.begin, row.used, row.current) for row in observer.cycles()] == [
        (midnight, 40, True),
        (midnight - 86_400, 7, False),
    ]
    clock.now += 86_399
    assert observer.look().snapshot.total_used == 40
    clock.now += 1
    snapshot = observer.look().snapshot
    assert (snapshot.total_used, snapshot.since) == (0, midnight + 86_400)
    assert [(row.used, row.current) for row in observer.cycles()] == [(0, True), (40, False), (7, False)]


def test_another_cycle_counts_anew(config: Path, ledger: Path, clock: Clock) -> None:
    config.write_text(BUDGET.format(100) + "cycle.period = 'daily'\n")
    observer = Observer(monotonic=clock, clock=clock, lookup=False)
    ledger.write_bytes(line("a", 40, 0, timestamp=clock.now) + line("a", 7, 0, timestamp=clock.now - 1))
    assert observer.look().snapshot.total_used == 40
    config.write_text(BUDGET.format(100))
    assert settled(observer, clock).snapshot.total_used == 47
    assert observer.cycles() == ()


def test_past_cycles_hold_what_was_reset(config: Path, ledger: Path, clock: Clock) -> None:
    config.write_text(BUDGET.format(100) + "cycle.period = 'daily'\n")
    observer = Observer(monotonic=clock, clock=clock, lookup=False)
    tracker = TokenBudgetTracker(observer.loaded.config, ledger=ledger, now=clock)
    tracker.report_usage("a", "gpt-4", 1000, 0, spent=True)
    tracker.reset()
    tracker.report_usage("a", "gpt-4", 5, 0)
    clock.now += 86_400
    assert observer.look().snapshot.total_used == 0
    observer.resolve_prices()
    observer.look()
    assert [(row.used, row.cost_usd) for row in observer.cycles()] == [(0, Decimal(0)), (1005, Decimal("0.03015"))]

"""TokenBudgetTracker: the contract's Python, in memory and on a shared ledger."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from budgauge import (
    AgentLimitExceededError,
    BudgetConfig,
    BudgetExceededError,
    ConfigError,
    DuplicateIdError,
    RecordError,
    ResetError,
    TokenBudgetTracker,
)
from budgauge.accounting.codec import decode
from budgauge.accounting.records import Reset, UndoReset, Usage
from budgauge.config import Cycle, PriceOverride
from clock import Clock
from usage import Make, line, plain_total, usage


def test_defaults() -> None:
    tracker = TokenBudgetTracker.with_defaults()
    assert (tracker.config.total_budget, tracker.config.warning_threshold) == (1_000_000, 80)
    assert tracker.get_remaining_budget() == 1_000_000


def test_usage_is_reported_and_read_back(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=5000))
    assert tracker.report_usage("code-reviewer", "gpt-4", 1500, 800) is True
    tracker.report_usage("b", "gpt-4", 100, 0)
    assert tracker.get_total_used() == 2400
    assert tracker.get_agent_usage("code-reviewer") == 2300
    assert tracker.get_agent_usage("never-seen") == 0
    assert tracker.get_all_agent_totals() == {"code-reviewer": 2300, "b": 100}
    assert tracker.get_remaining_budget() == 2600


def test_status_says_it_all(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100, warning_threshold=80, per_agent_limits={"a": 50}))
    tracker.report_usage("a", "gpt-4", 30, 10)
    status = tracker.get_status()
    assert (status.total_budget, status.total_used, status.usage_percentage) == (100, 40, 40.0)
    assert (status.warning_threshold, status.agent_totals, status.state) == (80, {"a": 40}, "ok")
    assert status.agents[0].remaining == 10


def test_a_refused_report_is_not_recorded(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100, per_agent_limits={"a": 50}))
    tracker.report_usage("a", "m", 48, 0)
    with pytest.raises(AgentLimitExceededError, match=r"^Agent a would exceed limit of 50 tokens"):
        tracker.report_usage("a", "m", 3, 0)
    with pytest.raises(BudgetExceededError) as refused:
        tracker.report_usage("b", "m", 50, 3)
    assert str(refused.value) == "Total budget of 100 tokens would be exceeded (current: 48, requested: 53)"
    assert tracker.get_all_agent_totals() == {"a": 48}


def test_exactly_at_the_limit_is_accepted(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100, per_agent_limits={"a": 50, "a/*": 60}))
    tracker.report_usage("a", "m", 50, 0)
    tracker.report_usage("a/x", "m", 0, 10)
    tracker.report_usage("b", "m", 40, 0)
    assert tracker.get_remaining_budget() == 0


def test_what_was_spent_already_is_recorded_past_the_budget(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=10, per_agent_limits={"a": 5}))
    tracker.report_usage("a", "m", 100, 0, spent=True)
    assert (tracker.get_total_used(), tracker.get_remaining_budget()) == (100, 0)


def test_without_a_budget_nothing_remains_to_be_counted(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=0))
    tracker.report_usage("a", "m", 5, 0)
    status = tracker.get_status()
    assert tracker.get_remaining_budget() is None
    assert (status.remaining_budget, status.usage_percentage, status.state) == (None, None, "ok")


def test_a_known_id_adds_nothing_and_is_not_refused(make: Make, clock: Clock) -> None:
    tracker = make(BudgetConfig(total_budget=10))
    assert tracker.report_usage("a", "m", 10, 0, id="x") is True
    clock.now += 60
    assert tracker.report_usage("a", "m", 10, 0, id="x") is False
    with pytest.raises(DuplicateIdError, match="'x' is in the ledger already, with other content"):
        tracker.report_usage("a", "m", 9, 0, id="x")
    assert tracker.get_total_used() == 10


def test_a_refused_id_may_be_tried_again(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=10))
    with pytest.raises(BudgetExceededError):
        tracker.report_usage("a", "m", 11, 0, id="x")
    tracker.update_config(BudgetConfig(total_budget=20))
    assert tracker.report_usage("a", "m", 11, 0, id="x") is True


def test_uncached_counting(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100, count="uncached"))
    tracker.report_usage("a", "m", 1000, 10, cached_tokens=950)
    with pytest.raises(BudgetExceededError, match=r"\(current: 60, requested: 41\)"):
        tracker.report_usage("a", "m", 100, 1, cached_tokens=60)
    row = tracker.get_status().agents[0]
    assert (row.used, row.prompt_tokens, row.completion_tokens, row.cached_tokens) == (60, 1000, 10, 950)


@pytest.mark.parametrize(
    "call",
    [
        {"agent_id": "a\nb"},
        {"model": ""},
        {"prompt_tokens": -1},
        {"completion_tokens": 1.5},
        {"cached_tokens": 999},
        {"timestamp": -1},
        {"timestamp": float("nan")},
    ],
)
def test_what_is_no_record_is_refused_and_not_written(make: Make, call: dict[str, Any]) -> None:
    tracker = make(BudgetConfig())
    good: dict[str, Any] = {"agent_id": "a", "model": "m", "prompt_tokens": 1, "completion_tokens": 1}
    with pytest.raises(RecordError):
        tracker.report_usage(**{**good, **call})
    with pytest.raises(RecordError):
        tracker.report(usage(prompt=-5))
    assert tracker.get_status().agents == ()


def test_check_asks_and_records_nothing(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=10))
    tracker.report_usage("a", "m", 9, 0)
    assert tracker.check("a") is None
    refused = tracker.check("a", 2)
    assert str(refused) == "Total budget of 10 tokens would be exceeded (current: 9, requested: 2)"
    assert tracker.get_total_used() == 9
    with pytest.raises(RecordError, match="tokens"):
        tracker.check("a", -1)


def test_reset_and_undo(make: Make, clock: Clock) -> None:
    tracker = make(BudgetConfig())
    tracker.report_usage("a", "m", 9, 0)
    reset_id = tracker.reset()
    assert (tracker.get_total_used(), tracker.get_since()) == (0, clock.now)
    assert tracker.get_status().reset_id == reset_id
    tracker.report_usage("a", "m", 1, 0)
    assert tracker.undo_reset() == reset_id
    assert (tracker.get_total_used(), tracker.get_since()) == (10, None)
    with pytest.raises(ResetError, match="There is no reset to undo"):
        tracker.undo_reset()


def test_an_undo_passes_over_resets_that_took_nothing(make: Make) -> None:
    tracker = make(BudgetConfig())
    tracker.report_usage("a", "m", 9, 0)
    real = tracker.reset("a")
    tracker.reset("nobody")
    tracker.reset()
    assert tracker.undo_reset() == real
    assert tracker.get_total_used() == 9
    assert tracker.get_status().reset_id is None


def test_an_undo_of_nothing_is_refused(make: Make) -> None:
    tracker = make(BudgetConfig())
    tracker.reset()
    tracker.report_usage("a", "m", 9, 0)
    with pytest.raises(ResetError, match="No reset took anything away"):
        tracker.undo_reset()
    assert tracker.get_total_used() == 9


def test_a_family_is_reset_by_one_line_and_one_undo(make: Make) -> None:
    tracker = make(BudgetConfig())
    for number, name in enumerate(("codex", "codex/a", "codex/b/c", "codexa", "x/codex"), 1):
        tracker.report_usage(name, "m", number, 0)
    assert tracker.get_agent_usage("codex/*") == 6
    tracker.reset("codex/*")
    assert tracker.get_all_agent_totals() == {"codexa": 4, "x/codex": 5}
    tracker.undo_reset()
    assert tracker.get_total_used() == 15


def test_reset_of_one_agent(make: Make) -> None:
    tracker = make(BudgetConfig())
    tracker.report_usage("a", "m", 9, 0)
    tracker.report_usage("b", "m", 1, 0)
    tracker.reset("a")
    assert tracker.get_all_agent_totals() == {"b": 1}


WARNING = "Token budget warning: {}% used ({} / 100)"


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The warnings since it was last asked."""
    caplog.set_level(logging.DEBUG)

    def take() -> list[str]:
        taken = [record for record in caplog.records if record.name.startswith("budgauge")]
        assert {(r.name, r.levelno) for r in taken} <= {("budgauge", logging.WARNING)}
        caplog.clear()
        return [record.getMessage() for record in taken]

    return take


def test_the_warning_comes_once_when_the_threshold_is_reached(make: Make, warned: Callable[[], list[str]]) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    tracker.report_usage("a", "m", 79, 0)
    assert warned() == []
    tracker.report_usage("a", "m", 1, 0)
    assert warned() == [WARNING.format("80.0", 80)]
    tracker.report_usage("a", "m", 10, 0)
    assert warned() == []


def test_it_is_armed_again_by_a_reset(make: Make, warned: Callable[[], list[str]]) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    tracker.report_usage("a", "m", 80, 0)
    tracker.reset()
    tracker.report_usage("a", "m", 90, 0)
    assert warned() == [WARNING.format("80.0", 80), WARNING.format("90.0", 90)]


def test_it_is_armed_again_by_a_larger_budget(make: Make, warned: Callable[[], list[str]]) -> None:
    tracker = make(BudgetConfig(total_budget=50))
    tracker.report_usage("a", "m", 50, 0)
    tracker.update_config(BudgetConfig(total_budget=100))
    tracker.report_usage("a", "m", 25, 0)
    tracker.report_usage("a", "m", 10, 0)
    assert warned()[1:] == [WARNING.format("85.0", 85)]


def test_an_unlimited_budget_warns_of_nothing(make: Make, warned: Callable[[], list[str]]) -> None:
    make(BudgetConfig(total_budget=0)).report_usage("a", "m", 10**9, 0)
    assert warned() == []


def test_a_tracker_that_comes_late_warns_at_its_first_report(ledger: Path, warned: Callable[[], list[str]]) -> None:
    config = BudgetConfig(total_budget=100)
    ledger.write_bytes(line("a", 85, 0))
    late, refused = TokenBudgetTracker(config, ledger=ledger), TokenBudgetTracker(config, ledger=ledger)
    late.get_total_used()
    assert warned() == []
    late.report_usage("a", "m", 1, 0)
    assert warned() == [WARNING.format("86.0", 86)]
    with pytest.raises(BudgetExceededError):
        refused.report_usage("a", "m", 50, 0)
    assert warned() == [WARNING.format("86.0", 86)]


def test_it_is_armed_again_by_anothers_reset(ledger: Path, warned: Callable[[], list[str]]) -> None:
    ours, other = (TokenBudgetTracker(BudgetConfig(total_budget=100), ledger=ledger) for _ in range(2))
    ours.report_usage("a", "m", 80, 0)
    other.reset()
    ours.report_usage("a", "m", 95, 0)
    assert warned() == [WARNING.format("80.0", 80), WARNING.format("95.0", 95)]


def test_a_log_handler_may_report_usage_itself(ledger: Path) -> None:
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=100), ledger=ledger)

    class Charging(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            TokenBudgetTracker(BudgetConfig(total_budget=0), ledger=ledger).report_usage("logger", "m", 1, 0)

    handler = Charging()
    logging.getLogger("budgauge").addHandler(handler)
    try:
        tracker.report_usage("a", "m", 80, 0)
    finally:
        logging.getLogger("budgauge").removeHandler(handler)
    assert tracker.get_total_used() == 81


def test_two_trackers_share_one_ledger(ledger: Path) -> None:
    one, two = (TokenBudgetTracker(BudgetConfig(total_budget=10), ledger=ledger) for _ in range(2))
    one.report_usage("a", "m", 6, 0)
    with pytest.raises(BudgetExceededError, match="current: 6, requested: 5"):
        two.report_usage("b", "m", 5, 0)
    two.report_usage("b", "m", 4, 0)
    assert one.get_all_agent_totals() == {"a": 6, "b": 4}


def test_in_memory_nothing_is_shared_or_written(own_place: Path) -> None:
    TokenBudgetTracker.with_defaults().report_usage("a", "m", 1, 0)
    assert TokenBudgetTracker.with_defaults().get_total_used() == 0
    assert not [path for path in own_place.rglob("*") if path.is_file()]


def test_what_a_reset_writes(ledger: Path, clock: Clock) -> None:
    tracker = TokenBudgetTracker(BudgetConfig(), ledger=ledger, now=clock)
    tracker.report_usage("a", "m", 5, 0)
    reset_id = tracker.reset("a", by="me")
    tracker.undo_reset()
    assert decode(ledger.read_bytes()).records[1:] == [
        Reset(int(clock.now), reset_id, "a", "me", 5),
        UndoReset(int(clock.now), reset_id),
    ]


def test_open_finds_config_and_ledger(own_place: Path) -> None:
    (own_place / ".codex").mkdir()
    (own_place / ".codex" / "config.toml").write_text("[token_budget]\ntotal_budget = 7\n")
    tracker = TokenBudgetTracker.open()
    tracker.report_usage("a", "m", 7, 0)
    assert plain_total(own_place / ".codex" / "token_usage.jsonl") == 7
    assert tracker.get_status().ledger == str(own_place / ".codex" / "token_usage.jsonl")
    assert not tracker.get_status().budget_is_default


def test_open_without_any_config_says_that_the_budget_is_the_default() -> None:
    assert TokenBudgetTracker.open().get_status().budget_is_default


def test_open_logs_what_the_config_warns_of(tmp_path: Path, warned: Callable[[], list[str]]) -> None:
    path = tmp_path / "c.toml"
    path.write_text('[token_budget]\n"x\\u001b" = 1\n', encoding="utf-8")
    TokenBudgetTracker.open(config=str(path))
    (unknown,) = warned()
    assert "unknown key" in unknown
    assert "\x1b" not in unknown


def test_open_refuses_a_wrong_config(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[token_budget]\ntotal_budget = -1\n")
    with pytest.raises(ConfigError, match=r"line 2: token_budget\.total_budget = -1"):
        TokenBudgetTracker.open(config=str(tmp_path / "c.toml"))


def test_faults_of_the_ledger_are_seen_in_the_status(ledger: Path) -> None:
    ledger.write_bytes(line() + b"nonsense\n")
    (problem,) = TokenBudgetTracker(ledger=ledger).get_status().problems
    assert (problem.kind, problem.count) == ("set_aside", 1)


def test_long_prompts_are_priced_by_their_tier(make: Make) -> None:
    """Gemini 2.5 Pro costs twice as much for prompts over 200,000 tokens."""
    tracker = make(BudgetConfig(total_budget=0))
    tracker.report_usage("a", "gemini-2.5-pro", 100_000, 0)
    tracker.report_usage("a", "gemini-2.5-pro", 300_000, 0)
    expected = Decimal("0.125") + Decimal("0.75")
    assert tracker.get_status().cost.total_usd == expected
    tracker.report_usage("a", "gemini-2.5-pro", 300_000, 0)
    assert tracker.get_status().cost.total_usd == expected + Decimal("0.75")


def test_other_prices_take_effect_at_once(make: Make) -> None:
    tracker = make(BudgetConfig())
    tracker.report_usage("a", "in-house", 1000, 0)
    assert tracker.get_status().cost.total_usd is None
    price = PriceOverride(prompt_per_1k=Decimal("0.5"), completion_per_1k=Decimal(0))
    tracker.update_config(BudgetConfig(prices={"in-house": price}))
    assert tracker.get_status().cost.total_usd == Decimal("0.5")


def test_threads_of_one_tracker_never_go_over(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=150, per_agent_limits={"0": 30}))
    accepted: list[str] = []

    def spend(agent_id: str) -> None:
        for _ in range(100):
            with suppress(BudgetExceededError, AgentLimitExceededError):
                tracker.report_usage(agent_id, "m", 1, 0)
                accepted.append(agent_id)

    threads = [threading.Thread(target=spend, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tracker.get_total_used() == len(accepted) == 150
    assert tracker.get_agent_usage("0") == accepted.count("0") <= 30


def test_a_whole_line_without_its_newline_is_counted_before_anything_is_admitted(ledger: Path) -> None:
    """Ending it after the decision would let the total go over the budget."""
    ledger.write_bytes(line("a", 5, 0) + line("a", 5, 0).rstrip())
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=12), ledger=ledger)
    with pytest.raises(BudgetExceededError, match="current: 10, requested: 3"):
        tracker.report_usage("a", "m", 3, 0)
    tracker.report_usage("a", "m", 2, 0)
    assert plain_total(ledger) == tracker.get_total_used() == 12


def test_a_ledger_that_vanishes_is_made_anew(ledger: Path) -> None:
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=10), ledger=ledger)
    tracker.report_usage("a", "m", 10, 0)
    os.rename(ledger, ledger.with_suffix(".old"))
    tracker.report_usage("b", "m", 10, 0)
    assert tracker.get_all_agent_totals() == {"b": 10}
    assert (plain_total(ledger), plain_total(ledger.with_suffix(".old"))) == (10, 10)


def test_undoing_without_a_ledger_makes_none(ledger: Path) -> None:
    path = ledger.parent / "none" / "ledger.jsonl"
    with pytest.raises(ResetError, match="no reset to undo"):
        TokenBudgetTracker(ledger=path).undo_reset()
    assert not path.parent.exists()


def test_a_ready_made_record_is_admitted_as_it_counts(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    with pytest.raises(BudgetExceededError, match="requested: 2000"):
        tracker.report(Usage("a", "m", 1000, 1000, 0, 1))
    assert tracker.get_total_used() == 0


def test_parts_of_a_ready_made_record_count_as_far_as_they_are_parts(ledger: Path) -> None:
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=100, count="uncached"), ledger=ledger)
    with pytest.raises(BudgetExceededError, match="requested: 900"):
        tracker.report(Usage("a", "m", 100, 900, 1000, 1, cached_tokens=1000))


def test_a_reset_of_an_earlier_cycle_is_not_undone(make: Make, clock: Clock) -> None:
    tracker = make(BudgetConfig(total_budget=100, cycle=Cycle(period="daily")))
    tracker.report_usage("a", "m", 10, 0)
    reset = tracker.reset()
    clock.now += 86_400
    with pytest.raises(ResetError, match="earlier cycle"):
        tracker.undo_reset()
    status = tracker.get_status()
    assert status.cycle_start is not None
    assert status.cycle_end == status.cycle_start + 86_400
    assert status.runs_since_cycle
    tracker.report_usage("a", "m", 1, 0)
    later = tracker.reset()
    assert tracker.undo_reset() == later != reset


def test_a_reset_is_accepted_by_every_reader_however_much_was_used(ledger: Path) -> None:
    ledger.write_bytes(line("a", 2**53 - 1, 0) * 3)
    tracker = TokenBudgetTracker(ledger=ledger)
    tracker.reset()
    assert tracker.get_total_used() == TokenBudgetTracker(ledger=ledger).get_total_used() == 0
    for by in ("x" * 70_000, "\ud800"):
        with pytest.raises(RecordError):
            tracker.reset(by=by)


def test_sums_that_no_checkpoint_can_hold_are_counted_all_the_same(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("budgauge.ledger.ledger.DUE_BYTES", 1)
    ledger.write_bytes(line("a", 2**53 - 1, 0) * 3000)
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=0), ledger=ledger)
    tracker.report_usage("a", "m", 1, 0)
    assert tracker.get_total_used() == 3000 * (2**53 - 1) + 1


def test_prices_with_other_tiers_take_effect_at_once(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=0))
    tracker.report_usage("a", "gemini-2.5-pro", 300_000, 0)
    assert tracker.get_status().cost.total_usd == Decimal("0.75")
    price = PriceOverride(prompt_per_1k=Decimal("0.001"), completion_per_1k=Decimal(0))
    tracker.update_config(BudgetConfig(total_budget=0, prices={"gemini-2.5-pro": price}))
    assert tracker.get_status().cost.total_usd == Decimal("0.3")
    tracker.update_config(BudgetConfig(total_budget=0))
    assert tracker.get_status().cost.total_usd == Decimal("0.75")


def test_texts_and_numbers_of_other_kinds_are_taken_or_refused(make: Make) -> None:
    class Text(str):
        __slots__ = ()

    class Number(float):
        __slots__ = ()

    tracker = make(BudgetConfig())
    tracker.report_usage(Text("a"), Text("m"), 1, 0, timestamp=Number(1.5))
    assert tracker.get_all_agent_totals() == {"a": 1}


def test_a_child_can_record_though_a_thread_held_the_tracker_when_it_was_forked(ledger: Path) -> None:
    tracker = TokenBudgetTracker(ledger=ledger)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with tracker._mutex, tracker._authority.ledger.turn, tracker._authority.ledger.mutex:
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    child = os.fork()
    if child == 0:
        try:
            tracker.report_usage("child", "m", 1, 0)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    done.set()
    thread.join(10)
    assert tracker.get_all_agent_totals() == {"child": 1}

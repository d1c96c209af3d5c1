"""Names that look the same: compared in one form, and without what nobody sees."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgauge import AgentLimitExceededError, BudgetConfig, ConfigError, RecordError, TokenBudgetTracker
from budgauge.accounting.codec import encode
from budgauge.accounting.record_checks import check_name
from budgauge.accounting.records import Reserve
from budgauge.config.load import Options, load
from budgauge.config.name import cleaned, hidden, same_name
from budgauge.sources.name import AgentNames, fit_name
from clock import Clock
from usage import Make, line

ONE, TWO = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")
HIDDEN = {
    "space before": " a",
    "space behind": "a ",
    "no-break space behind": "a\u00a0",
    "ideographic space": "\u3000a",
    "zero width space": "a\u200bb",
    "soft hyphen": "a\u00adb",
    "word joiner": "a\u2060b",
    "byte-order mark": "\ufeffa",
    "left to right mark": "a\u200e",
    "right to left override": "a\u202eb",
    "tag": "a\U000e0041",
    "variation selector": "a\ufe0f",
    "another": "a\U000e0100",
    "Hangul filler": "a\u3164",
    "Braille blank": "a\u2800b",
    "grapheme joiner": "a\u034fb",
    "joiner between letters": "co\u200ddex",
    "non-joiner between letters": "co\u200cdex",
    "joiner at the end": "👩\u200d",
    "two joiners": "👩\u200d\u200d💻",
    "line separator": "a\u2028b",
}
SEEN = {
    "plain": "code-reviewer",
    "space within": "code reviewer",
    "family of emoji": "👩\u200d👩\u200d👧",
    "programmer": "team/👩🏽\u200d💻",
    "heart": "❤\ufe0f",
    "flag with joiner": "🏳\ufe0f\u200d🌈",
    "Scotland": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "keycap": "1\ufe0f\u20e3",
    "Persian": "می\u200cخواهم",
    "Sinhala": "ශ්\u200dරී",
    "Japanese": "設計者",
    "accents": TWO,
}


@pytest.mark.parametrize("name", HIDDEN.values(), ids=list(HIDDEN))
def test_what_a_person_cannot_see_is_refused_where_a_name_is_typed(make: Make, tmp_path: Path, name: str) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    for act in (
        lambda: tracker.report_usage(name, "m", 1, 0),
        lambda: tracker.report_usage("a", name, 1, 0),
        lambda: tracker.reserve(name, 1),
        lambda: tracker.check(name),
        lambda: tracker.reset(name),
        lambda: tracker.settle("h", "m", 1, 0, agent_id=name),
    ):
        with pytest.raises(RecordError, match=r"begins or ends with a space|invisible character \(U\+[0-9A-F]{4,}\)"):
            act()
    for key in (name, f"{name}/*"):
        with pytest.raises(ConfigError, match="per_agent_limits"):
            BudgetConfig(per_agent_limits={key: 1})
        config = tmp_path / "config.toml"
        config.write_text(f'[token_budget]\n[token_budget.per_agent_limits]\n"{key}" = 5\n', encoding="utf-8")
        with pytest.raises(ConfigError, match=r"config.toml, line 3: .*(space|invisible)"):
            load(Options(config=str(config)), env={})


@pytest.mark.parametrize("name", SEEN.values(), ids=list(SEEN))
def test_what_is_seen_is_allowed_and_left_as_it_is(make: Make, name: str) -> None:
    assert hidden(name) is None
    assert check_name("agent_id", name) == name
    assert cleaned(name) == same_name(name)
    tracker = make(BudgetConfig(per_agent_limits={name: 5, f"{name}/*": 9}))
    tracker.report_usage(name, name, 5, 0)
    assert tracker.get_all_agent_totals() == {name: 5}


@given(
    st.text(max_size=20)
    | st.text(alphabet="a \u200d\u200c\u200b👩💻❤\ufe0f\u3164é\u0301\U000e0067🏴\u20e31", max_size=12)
)
def test_a_cleaned_name_hides_nothing_and_stays(name: str) -> None:
    clean = cleaned(name)
    assert cleaned(clean) == clean
    assert hidden(clean) is None
    assert hidden(name) is not None or cleaned(name) == same_name(name)


@pytest.mark.parametrize("name", HIDDEN.values(), ids=list(HIDDEN))
def test_a_name_out_of_a_log_is_cleaned(name: str) -> None:
    fitted = fit_name(name)
    assert check_name("model", fitted) == fitted == same_name(fitted)
    assert AgentNames().of("claude-code", name, None) == f"claude-code/{fitted}"
    assert AgentNames(by_project=True).of("claude-code", None, f"/home/me/{name}") == fitted


def test_a_long_name_out_of_a_log_is_not_cut_within_what_is_seen() -> None:
    for length in range(20, 60):
        assert hidden(fit_name("a" * length + "👩\u200d💻" * 20)) is None
    assert fit_name("\u200b \u200b") == "unknown"
    assert fit_name(TWO) == ONE


def test_a_response_s_model_is_cleaned() -> None:
    from budgauge.accounting.sdk_response import usage_of

    answer = {"model": "gpt-4\u200b ", "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    assert usage_of(answer).model == "gpt-4"


@pytest.mark.parametrize(("key", "name"), [(ONE, TWO), (TWO, ONE), (ONE, ONE), (TWO, TWO)])
def test_limits_compare_names_in_one_form(make: Make, key: str, name: str) -> None:
    tracker = make(BudgetConfig(per_agent_limits={key: 10, f"team-{key}/*": 10}))
    tracker.report_usage(ONE, "m", 3, 0)
    tracker.report_usage(TWO, "m", 3, 0)
    tracker.reserve(ONE, 1)
    tracker.reserve(TWO, 1)
    with pytest.raises(AgentLimitExceededError, match=r"limit of 10 tokens \(current: 8, requested: 3\)"):
        tracker.report_usage(name, "m", 3, 0)
    tracker.report_usage(f"team-{ONE}/x", "m", 4, 0)
    tracker.report_usage(f"team-{TWO}/y", "m", 4, 0)
    with pytest.raises(
        AgentLimitExceededError, match=r"/\* would exceed limit of 10 tokens \(current: 8, requested: 3"
    ):
        tracker.report_usage(f"team-{name}", "m", 3, 0)
    rows = {row.agent_id: row for row in tracker.get_status().agents}
    assert {name: (row.used, row.limit, row.remaining) for name, row in rows.items() if "team" not in name} == {
        ONE: (3, 10, 4),
        TWO: (3, 10, 4),
    }
    [family] = tracker.get_status().families
    assert (family.used, family.limit) == (8, 10)
    assert tracker.get_agent_usage(name) == 3


def test_an_earlier_checkpoint_s_names_are_compared_alike(ledger: Path, clock: Clock) -> None:
    ledger.write_bytes(b"".join(line(TWO, 1, 0) for _ in range(12_000)))
    for _ in range(2):
        tracker = TokenBudgetTracker(BudgetConfig(per_agent_limits={ONE: 12_001}), ledger=ledger, now=clock)
        assert tracker.check(ONE, 1) is None
        assert tracker.check(ONE, 2) is not None


def test_two_limits_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="twice"):
        BudgetConfig(per_agent_limits={ONE: 1, TWO: 2})
    config = tmp_path / "config.toml"
    config.write_text(f'[token_budget.per_agent_limits]\n"{ONE}" = 5\n"{TWO}" = 6\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"line 3: .*twice"):
        load(Options(config=str(config)), env={})


def test_a_project_s_limit_takes_the_place_of_the_user_s_in_either_form(own_place: Path) -> None:
    for folder, name, limit in ((own_place, TWO, 5), (own_place / "work", ONE, 4)):
        (folder / ".codex").mkdir()
        text = f'[token_budget.per_agent_limits]\n"{name}" = {limit}\n'
        (folder / ".codex" / "config.toml").write_text(text, encoding="utf-8")
    assert load(Options()).config.per_agent_limits == {ONE: 4}


def test_rows_of_older_ledgers_stay_and_are_flagged(ledger: Path, clock: Clock) -> None:
    ledger.write_bytes(
        line("a ", 1, 0) + line("a\u200b", 2, 0) + line("a", 3, 0, model="m\u00ad") + line("👩\u200d💻", 4, 0)
    )
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=100), ledger=ledger, now=clock)
    status = tracker.get_status()
    assert status.agent_totals == {"👩\u200d💻": 4, "a": 3, "a\u200b": 2, "a ": 1}
    [problem] = status.problems
    assert (problem.kind, problem.count) == ("hidden_name", 3)
    assert problem.message == "3 names with spaces at the ends or invisible characters, such as 'a '"
    assert tracker.check("a ", 1) is None
    tracker.reset("a ")
    assert tracker.get_agent_usage("a ") == 0


def test_a_reservation_under_an_older_ledger_s_name_can_be_settled(ledger: Path, clock: Clock) -> None:
    ledger.write_bytes(encode(Reserve(1, "h", "a\u200b", 5, clock.now + 60)))
    tracker = TokenBudgetTracker(BudgetConfig(total_budget=100), ledger=ledger, now=clock)
    assert tracker.settle("h", "m", 5, 0)
    assert tracker.get_all_agent_totals() == {"a\u200b": 5}


def test_a_reset_finds_the_agent_in_the_form_in_which_it_is_booked(make: Make) -> None:
    tracker = make(BudgetConfig(total_budget=100))
    tracker.report_usage(TWO, "m", 5, 0)
    tracker.reset(ONE)
    assert tracker.get_total_used() == 0
